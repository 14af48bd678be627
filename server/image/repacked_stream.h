// A zlib stream (RFC 1950) without its end, made whole.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "zlib.h"

namespace patchserve {

// Unpacks a stream piece by piece, and packs what came out anew.
class RepackedStream {
 public:
  // Stops after about `most` unpacked bytes, whatever follows.
  explicit RepackedStream(int64_t most);
  ~RepackedStream();
  RepackedStream(const RepackedStream&) = delete;
  RepackedStream& operator=(const RepackedStream&) = delete;

  void Add(absl::Span<const uint8_t> packed);

  // What was added has neither an end nor damage.
  bool broke_off() const { return state_ == Z_OK; }
  int64_t unpacked_bytes() const { return static_cast<int64_t>(in_.total_out); }

  // The new stream, once; no more can be added.
  std::vector<uint8_t> Finish();

 private:
  void Pack(absl::Span<const uint8_t> bytes, int flush);

  const int64_t most_;
  z_stream in_{}, out_{};
  int state_ = Z_OK;
  std::vector<uint8_t> packed_;
};

}  // namespace patchserve
