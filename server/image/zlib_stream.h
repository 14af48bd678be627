// Streams of zlib (RFC 1950) of which no more is unpacked than is needed.
#pragma once

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "zlib.h"

namespace patchserve {

using BytesSink = absl::FunctionRef<void(absl::Span<const uint8_t>)>;

// Unpacks a stream, piece by piece.
class UnpackedStream {
 public:
  // Stops a little after `most` bytes, whatever follows.
  explicit UnpackedStream(int64_t most);
  ~UnpackedStream();
  UnpackedStream(const UnpackedStream&) = delete;
  UnpackedStream& operator=(const UnpackedStream&) = delete;

  void Add(absl::Span<const uint8_t> packed, BytesSink sink);

  bool ended() const { return state_ == Z_STREAM_END; }
  // Neither its end nor damage was found: more is to come, or it breaks off.
  bool goes_on() const { return state_ == Z_OK; }
  int64_t bytes() const { return static_cast<int64_t>(stream_.total_out); }

 private:
  const int64_t most_;
  z_stream stream_{};
  int state_ = Z_OK;
};

// Makes a stream of bytes as they are: to pack and to unpack it is little more than a copy.
class StoredStream {
 public:
  StoredStream();
  ~StoredStream();
  StoredStream(const StoredStream&) = delete;
  StoredStream& operator=(const StoredStream&) = delete;

  void Add(absl::Span<const uint8_t> bytes, BytesSink sink) { Pack(bytes, Z_NO_FLUSH, sink); }
  // Once; no more can be added.
  void Finish(BytesSink sink) { Pack({}, Z_FINISH, sink); }

 private:
  void Pack(absl::Span<const uint8_t> bytes, int flush, BytesSink sink);

  z_stream stream_{};
};

}  // namespace patchserve
