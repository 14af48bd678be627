#include "server/image/exif.h"

#include "server/image/bytes.h"

namespace patchserve {
namespace {

constexpr uint16_t kOrientationTag = 0x0112;
constexpr uint16_t kShort = 3;  // TIFF's name of a 16-bit integer

}  // namespace

int ExifOrientation(absl::Span<const uint8_t> tiff) {
  const Bytes bytes(tiff);
  const bool little = bytes.Matches(0, "II");
  if (!little && !bytes.Matches(0, "MM")) return 1;
  auto u16 = [&](size_t at) { return little ? bytes.LittleEndian16(at) : bytes.BigEndian16(at); };
  auto u32 = [&](size_t at) { return little ? bytes.LittleEndian32(at) : bytes.BigEndian32(at); };
  if (u16(2) != 42) return 1;

  // The first directory: a count, then entries of 12 bytes (tag, type, count, value).
  const size_t directory = u32(4);
  const int entries = u16(directory);
  for (int i = 0; i < entries; ++i) {
    const size_t entry = directory + 2 + size_t{12} * i;
    if (!bytes.Has(entry, 12)) return 1;
    if (u16(entry) != kOrientationTag) continue;
    const int value = u16(entry + 8);
    const bool sensible = u16(entry + 2) == kShort && value >= 1 && value <= 8;
    return sensible ? value : 1;
  }
  return 1;
}

}  // namespace patchserve
