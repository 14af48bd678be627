// Integers and texts out of bytes that nobody vouches for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "absl/types/span.h"

namespace patchserve {

inline std::string_view AsText(absl::Span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// A view of a file in which every read is safe: what lies past the end reads as 0
// and never matches. Offsets may be any number.
class Bytes {
 public:
  explicit Bytes(absl::Span<const uint8_t> data) : data_(data) {}

  size_t size() const { return data_.size(); }
  bool Has(size_t at, size_t count) const { return at <= size() && count <= size() - at; }

  uint8_t U8(size_t at) const { return Has(at, 1) ? data_[at] : 0; }
  uint16_t BigEndian16(size_t at) const { return U8(at) << 8 | U8(at + 1); }
  uint16_t LittleEndian16(size_t at) const { return U8(at + 1) << 8 | U8(at); }
  uint32_t BigEndian32(size_t at) const {
    return uint32_t{BigEndian16(at)} << 16 | BigEndian16(at + 2);
  }
  uint32_t LittleEndian32(size_t at) const {
    return uint32_t{LittleEndian16(at + 2)} << 16 | LittleEndian16(at);
  }

  bool Matches(size_t at, std::string_view text) const {
    return Has(at, text.size()) && std::memcmp(&data_[at], text.data(), text.size()) == 0;
  }

  // The part from `at`, cut off at the end of the data.
  absl::Span<const uint8_t> Part(size_t at, size_t count) const {
    return at < size() ? data_.subspan(at, count) : absl::Span<const uint8_t>();
  }

 private:
  absl::Span<const uint8_t> data_;
};

}  // namespace patchserve
