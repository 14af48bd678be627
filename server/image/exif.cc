#include "server/image/exif.h"

#include <bit>

#include "server/image/bytes.h"

namespace patchserve {
namespace {

using namespace std::string_view_literals;

constexpr auto kPrefix = "Exif\0\0"sv;
constexpr uint16_t kOrientationTag = 0x0112;

// TIFF's types; 13, 16: TIFF's technical note 1 and BigTIFF.
enum Type : uint16_t {
  kByte = 1,
  kAscii = 2,
  kShort = 3,
  kLong = 4,
  kRational = 5,
  kSignedByte = 6,
  kUndefined = 7,
  kSignedShort = 8,
  kSignedLong = 9,
  kSignedRational = 10,
  kFloat = 11,
  kDouble = 12,
  kIfd = 13,
  kLong8 = 16,
};

// 0 for a type that isn't known.
size_t BytesOf(uint16_t type) {
  switch (type) {
    case kByte:
    case kAscii:
    case kSignedByte:
    case kUndefined:
      return 1;
    case kShort:
    case kSignedShort:
      return 2;
    case kLong:
    case kSignedLong:
    case kFloat:
    case kIfd:
      return 4;
    case kRational:
    case kSignedRational:
    case kDouble:
    case kLong8:
      return 8;
    default:
      return 0;
  }
}

class Tiff {
 public:
  explicit Tiff(absl::Span<const uint8_t> data) : bytes_(data), little_(bytes_.Matches(0, "II")) {}

  // 42 in the other byte order is a known fault of writers.
  bool valid() const {
    return (little_ || bytes_.Matches(0, "MM")) && (U16(2) == 42 || U16(2) == 42 << 8);
  }
  std::optional<int> Orientation() const;

 private:
  uint16_t U16(size_t at) const {
    return little_ ? bytes_.LittleEndian16(at) : bytes_.BigEndian16(at);
  }
  uint32_t U32(size_t at) const {
    return little_ ? bytes_.LittleEndian32(at) : bytes_.BigEndian32(at);
  }
  uint64_t U64(size_t at) const {
    return little_ ? uint64_t{U32(at + 4)} << 32 | U32(at) : uint64_t{U32(at)} << 32 | U32(at + 4);
  }
  // 0 for what is no number.
  double Number(uint16_t type, size_t at) const;

  Bytes bytes_;
  bool little_;
};

double Tiff::Number(uint16_t type, size_t at) const {
  switch (type) {
    case kShort:
      return U16(at);
    case kLong:
    case kIfd:
      return U32(at);
    case kRational:
      return double{1} * U32(at) / U32(at + 4);
    case kSignedByte:
      return static_cast<int8_t>(bytes_.U8(at));
    case kSignedShort:
      return static_cast<int16_t>(U16(at));
    case kSignedLong:
      return static_cast<int32_t>(U32(at));
    case kSignedRational:
      return double{1} * static_cast<int32_t>(U32(at)) / static_cast<int32_t>(U32(at + 4));
    case kFloat:
      return std::bit_cast<float>(U32(at));
    case kDouble:
      return std::bit_cast<double>(U64(at));
    case kLong8:
      return static_cast<double>(U64(at));
    default:
      return 0;
  }
}

// The first directory: a count, then entries of 12 bytes (tag, type, number of values, and
// the values, or where they stand if they need more than 4 bytes).
std::optional<int> Tiff::Orientation() const {
  const size_t directory = U32(4);
  const int entries = U16(directory);
  uint64_t elsewhere = 0;  // bytes of values outside of their entries
  for (int i = 0; i < entries; ++i) {
    const size_t entry = directory + 2 + size_t{12} * i;
    if (!bytes_.Has(entry, 12)) return std::nullopt;
    const uint16_t type = U16(entry + 2);
    const uint64_t size = uint64_t{U32(entry + 4)} * BytesOf(type);
    size_t values = entry + 8;
    if (size > 4) {
      elsewhere += size;
      if (elsewhere > bytes_.size()) continue;
      values = U32(values);
      if (!bytes_.Has(values, size)) return std::nullopt;
    }
    if (U16(entry) != kOrientationTag || size == 0) continue;
    const double value = Number(type, values);
    for (int orientation = 1; orientation <= 8; ++orientation) {
      if (value == orientation) return orientation;
    }
    return 1;
  }
  return std::nullopt;
}

}  // namespace

std::optional<int> ExifOrientation(absl::Span<const uint8_t> block) {
  for (int i = 0; i < 2 && Bytes(block).Matches(0, kPrefix); ++i) {
    block.remove_prefix(kPrefix.size());
  }
  if (block.empty()) return std::nullopt;
  const Tiff tiff(block);
  return tiff.valid() ? tiff.Orientation() : 1;
}

}  // namespace patchserve
