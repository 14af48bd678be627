#include "server/image/bmp_header.h"

#include <algorithm>
#include <iterator>

#include "server/image/bytes.h"

namespace patchserve {
namespace {

constexpr size_t kFileHeader = 14;
constexpr uint32_t kCoreHeader = 12;
constexpr uint32_t kInfoHeader = 40;
constexpr uint32_t kAlphaMaskInHeader = 56;
constexpr size_t kMasks = kFileHeader + kInfoHeader;  // within a longer header, or behind it
constexpr size_t kThreeMasks = 12;

bool IsInfoHeader(uint32_t length) {
  constexpr uint32_t kLengths[] = {40, 52, 56, 64, 108, 124};
  return std::find(std::begin(kLengths), std::end(kLengths), length) != std::end(kLengths);
}

void ReadInfoHeader(const Bytes& bytes, BmpHeader& header) {
  const int64_t width = static_cast<int32_t>(bytes.LittleEndian32(18));
  const int64_t height = static_cast<int32_t>(bytes.LittleEndian32(22));
  header.width = width < 0 ? 0 : width;
  header.height = height < 0 ? -height : height;
  header.top_down = height < 0;
  header.bits = bytes.LittleEndian16(28);
  header.compression = static_cast<BmpCompression>(bytes.LittleEndian32(30));
  header.colors = bytes.LittleEndian32(46);
  if (header.compression != BmpCompression::kMasks) return;
  const int masks = header.length < kAlphaMaskInHeader ? 3 : 4;
  for (int i = 0; i < masks; ++i) header.masks[i] = bytes.LittleEndian32(kMasks + 4 * i);
  if (header.length == kInfoHeader) header.palette += kThreeMasks;
}

}  // namespace

BmpHeader ReadBmpHeader(absl::Span<const uint8_t> file) {
  const Bytes bytes(file);
  BmpHeader header;
  header.length = bytes.LittleEndian32(14);
  header.palette = kFileHeader + header.length;
  if (header.length == kCoreHeader) {
    header.width = bytes.LittleEndian16(18);
    header.height = bytes.LittleEndian16(20);
    header.bits = bytes.LittleEndian16(24);
    header.color_bytes = 3;
  } else if (IsInfoHeader(header.length)) {
    ReadInfoHeader(bytes, header);
  }
  if (header.bits > 8) {
    header.colors = 0;
  } else if (header.colors == 0) {
    header.colors = int64_t{1} << header.bits;
  }
  header.pixels = bytes.LittleEndian32(10);
  const bool at_palette = header.pixels == header.palette && header.bits <= 8;
  if (header.pixels == 0 || at_palette) header.pixels = header.palette_end();
  return header;
}

}  // namespace patchserve
