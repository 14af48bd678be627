#include "server/image/bmp_header.h"

#include "server/image/bytes.h"

namespace patchserve {
namespace {

constexpr uint32_t kCoreHeader = 12;  // headers are known by their length
constexpr uint32_t kInfoHeader = 40;
constexpr uint32_t kBitFields = 3;

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
    header.green_has_6_bits = has_masks && bytes.LittleEndian32(58) == 0x7e0;
  }
  return header;
}

}  // namespace patchserve
