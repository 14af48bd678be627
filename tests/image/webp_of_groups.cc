#include "tests/image/webp_of_groups.h"

#include <cstddef>
#include <string_view>

namespace patchserve {
namespace {

// The lowest bit first, as VP8L has them (RFC 9649, section 3).
class Bits {
 public:
  Bits& Put(uint32_t value, int count) {
    for (int i = 0; i < count; ++i, ++used_) {
      if (used_ % 8 == 0) bytes_.push_back(0);
      bytes_.back() |= (value >> i & 1) << used_ % 8;
    }
    return *this;
  }
  // A code of 0 alone, which takes no bits of the picture.
  Bits& PutCodeOfZero() { return Put(0b0001, 4); }
  // A code of the numbers to 255, of 8 bits each, out of `symbols` with a code of their lengths.
  Bits& PutCodeOfBytes(int symbols) {
    Put(0, 1).Put(8, 4);  // lengths of 12 symbols: 17, 18, 0 to 5, 16, 6, 7 and 8
    for (int i = 0; i < 12; ++i) Put(i == 2 || i == 11 ? 1 : 0, 3);
    Put(0, 1);
    for (int i = 0; i < symbols; ++i) Put(i < 256 ? 1 : 0, 1);
    return *this;
  }
  Bits& PutByte(uint8_t byte) {  // by that code, whose highest bit comes first
    for (int i = 7; i >= 0; --i) Put(byte >> i & 1, 1);
    return *this;
  }
  Bits& PutText(std::string_view text) {
    for (const char letter : text) Put(static_cast<uint8_t>(letter), 8);
    return *this;
  }
  const std::vector<uint8_t>& bytes() const { return bytes_; }

 private:
  std::vector<uint8_t> bytes_;
  size_t used_ = 0;
};

}  // namespace

std::vector<uint8_t> WebPOfGroups(int side, int groups) {
  Bits bits;
  bits.Put(0x2f, 8).Put(side - 1, 14).Put(side - 1, 14).Put(0, 4);  // no alpha, version 0
  bits.Put(0, 2).Put(1, 1).Put(0, 3);  // no transform, no colour cache; groups, of blocks of 4
  bits.Put(0, 1).PutCodeOfBytes(256 + 24).PutCodeOfBytes(256);
  bits.PutCodeOfZero().PutCodeOfZero().PutCodeOfZero();
  for (int block = 0; block < side / 4 * (side / 4); ++block) {
    bits.PutByte(block % groups & 255).PutByte(block % groups >> 8);  // green, red
  }
  for (int i = 0; i < 5 * groups; ++i) bits.PutCodeOfZero();
  const size_t length = bits.bytes().size(), padded = length + length % 2;
  Bits file;
  file.PutText("RIFF").Put(4 + 8 + padded, 32).PutText("WEBPVP8L").Put(length, 32);
  for (const uint8_t byte : bits.bytes()) file.Put(byte, 8);
  if (padded > length) file.Put(0, 8);
  return file.bytes();
}

}  // namespace patchserve
