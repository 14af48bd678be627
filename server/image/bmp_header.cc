#include "server/image/bmp_header.h"

#include "server/image/bytes.h"

namespace patchserve {
namespace {

constexpr uint32_t kCoreHeader = 12;  // headers are known by their length
constexpr uint32_t kInfoHeader = 40;
constexpr uint32_t kMasksInHeader = 56;
constexpr uint32_t kBitFields = 3;

bool HasOtherMasks(const Bytes& bytes) {
  return bytes.LittleEndian32(54) != 0xff0000 || bytes.LittleEndian32(58) != 0xff00 ||
         bytes.LittleEndian32(62) != 0xff;
}

bool PixelsOverlapPalette(const Bytes& bytes, uint32_t header_length, int bits) {
  if (bits > 8) return false;
  const uint64_t used = bytes.LittleEndian32(46);
  const uint64_t colors = used == 0 ? uint64_t{1} << bits : used;
  return bytes.LittleEndian32(10) < 14 + header_length + 4 * colors;
}

}  // namespace

BmpHeader ReadBmpHeader(absl::Span<const uint8_t> file) {
  const Bytes bytes(file);
  BmpHeader header;
  const uint32_t length = bytes.LittleEndian32(14);
  if (length == kCoreHeader) {
    header.width = bytes.LittleEndian16(18);
    header.height = bytes.LittleEndian16(20);
    header.bits = bytes.LittleEndian16(24);
  } else if (length >= kInfoHeader) {
    const int64_t width = static_cast<int32_t>(bytes.LittleEndian32(18));
    const int64_t height = static_cast<int32_t>(bytes.LittleEndian32(22));
    header.width = width < 0 ? 0 : width;
    header.height = height < 0 ? -height : height;
    header.bits = bytes.LittleEndian16(28);
    const bool has_masks = bytes.LittleEndian32(30) == kBitFields;
    header.misleading =
        (header.bits == 32 && has_masks && length < kMasksInHeader && HasOtherMasks(bytes)) ||
        PixelsOverlapPalette(bytes, length, header.bits);
    header.green_has_6_bits = has_masks && bytes.LittleEndian32(58) == 0x7e0;
  }
  return header;
}

}  // namespace patchserve
