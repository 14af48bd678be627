#include "server/image/bmp_rle.h"

#include <algorithm>

#include "server/image/bytes.h"

namespace patchserve {
namespace {

// After a 0, in place of a number of pixels that stand for themselves.
constexpr uint8_t kEndOfRow = 0;
constexpr uint8_t kEndOfPicture = 1;
constexpr uint8_t kSkip = 2;

class Unpacker {
 public:
  Unpacker(absl::Span<const uint8_t> file, const BmpHeader& header, int width,
           absl::Span<uint8_t> indices)
      : bytes_(file),
        at_(header.pixels),
        four_bits_(header.compression == BmpCompression::kRle4),
        width_(width),
        indices_(indices) {}

  // Rows in the order of the file. False where pixels are missing.
  bool Run() {
    while (filled_ < indices_.size() && bytes_.Has(at_, 2)) {
      const uint8_t count = bytes_.U8(at_), value = bytes_.U8(at_ + 1);
      at_ += 2;
      if (count > 0) {
        Repeat(count, value);
      } else if (value == kEndOfRow) {
        filled_ = std::min<size_t>((filled_ + width_ - 1) / width_ * width_, indices_.size());
        x_ = 0;
      } else if (value == kEndOfPicture) {
        break;
      } else if (value == kSkip ? !Skip() : !Copy(value)) {
        break;
      }
    }
    return filled_ == indices_.size();
  }

 private:
  // Two pixels a byte with four bits, the first in the higher ones.
  uint8_t Half(uint8_t byte, size_t i) const {
    if (!four_bits_) return byte;
    return i % 2 == 0 ? byte >> 4 : byte & 15;
  }

  void Repeat(size_t count, uint8_t value) {
    count = std::min<size_t>(count, x_ < width_ ? width_ - x_ : 0);
    for (size_t i = 0; i < count && filled_ < indices_.size(); ++i) {
      indices_[filled_++] = Half(value, i);
    }
    x_ += count;
  }

  bool Skip() {
    if (!bytes_.Has(at_, 2)) return false;
    const size_t pixels = bytes_.U8(at_) + size_t{1} * bytes_.U8(at_ + 1) * width_;
    filled_ += std::min(pixels, indices_.size() - filled_);
    x_ = filled_ % width_;
    at_ += 2;
    return true;
  }

  bool Copy(size_t count) {
    const size_t taken = std::min(count, indices_.size() - filled_);
    const size_t length = four_bits_ ? (taken + 1) / 2 : taken;
    if (!bytes_.Has(at_, length)) return false;
    for (size_t i = 0; i < taken; ++i) {
      indices_[filled_++] = Half(bytes_.U8(at_ + (four_bits_ ? i / 2 : i)), i);
    }
    x_ += count;
    at_ += length;
    at_ += at_ % 2;  // words of 16 bits, counted from the start of the file
    return true;
  }

  Bytes bytes_;
  size_t at_;
  bool four_bits_;
  size_t width_;
  absl::Span<uint8_t> indices_;
  size_t filled_ = 0;
  size_t x_ = 0;
};

}  // namespace

bool UnpackBmpRle(absl::Span<const uint8_t> file, const BmpHeader& header, int width,
                  absl::Span<uint8_t> indices) {
  if (!Unpacker(file, header, width, indices).Run()) return false;
  if (header.top_down) return true;
  const size_t rows = indices.size() / width;
  for (size_t y = 0; y < rows / 2; ++y) {
    std::swap_ranges(&indices[y * width], &indices[y * width] + width,
                     &indices[(rows - 1 - y) * width]);
  }
  return true;
}

}  // namespace patchserve
