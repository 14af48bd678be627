#include "server/image/webp_header.h"

#include <optional>

#include "server/image/bytes.h"
#include "server/image/orientation.h"

namespace patchserve {
namespace {

using namespace std::string_view_literals;

constexpr size_t kRiffHeader = 8;  // "RIFF", length
constexpr size_t kFirstChunk = 12;
constexpr size_t kChunkHeader = 8;  // name, length
constexpr uint8_t kAnimated = 0x02;
constexpr uint8_t kHasExif = 0x08;
constexpr uint8_t kHasXmp = 0x04;
constexpr uint32_t k14Bits = 0x3fff;
constexpr uint32_t k24Bits = 0xffffff;

// VP8, lossy: a frame tag of 3 bytes, a start code of 3, then two sides of 14 bits.
void ReadLossy(const Bytes& bytes, size_t data, WebPHeader& header) {
  if (!bytes.Matches(data + 3, "\x9d\x01\x2a"sv)) return;
  header.width = bytes.LittleEndian16(data + 6) & k14Bits;
  header.height = bytes.LittleEndian16(data + 8) & k14Bits;
}

// VP8L, lossless: a signature byte, then both sides less one in 14 bits each.
void ReadLossless(const Bytes& bytes, size_t data, WebPHeader& header) {
  if (bytes.U8(data) != 0x2f || !bytes.Has(data, 5)) return;
  const uint32_t sides = bytes.LittleEndian32(data + 1);
  header.width = static_cast<int>(sides & k14Bits) + 1;
  header.height = static_cast<int>(sides >> 14 & k14Bits) + 1;
}

// VP8X: flags, then both sides of the canvas less one in 24 bits each.
void ReadExtended(const Bytes& bytes, size_t data, WebPHeader& header) {
  if (!bytes.Has(data, 10)) return;
  header.width = static_cast<int>(bytes.LittleEndian32(data + 4) & k24Bits) + 1;
  header.height = static_cast<int>(bytes.LittleEndian32(data + 6) >> 8) + 1;
  header.animated = (bytes.U8(data) & kAnimated) != 0;
}

// The metadata, which counts only where VP8X's flags announce it; of several chunks the
// first one.
int ReadOrientation(const Bytes& bytes) {
  const uint8_t flags = bytes.U8(kFirstChunk + kChunkHeader);
  std::optional<absl::Span<const uint8_t>> exif, xmp;
  for (size_t at = kFirstChunk; bytes.Has(at, kChunkHeader);) {
    const size_t size = bytes.LittleEndian32(at + 4);
    const auto data = bytes.Part(at + kChunkHeader, size);
    if (bytes.Matches(at, "EXIF") && flags & kHasExif && !exif) exif = data;
    if (bytes.Matches(at, "XMP ") && flags & kHasXmp && !xmp) xmp = data;
    at += kChunkHeader + size + (size & 1);
  }
  return Orientation(exif.value_or(absl::Span<const uint8_t>()),
                     AsText(xmp.value_or(absl::Span<const uint8_t>())));
}

}  // namespace

WebPHeader ReadWebPHeader(absl::Span<const uint8_t> file) {
  const Bytes bytes(file);
  WebPHeader header;
  const size_t first = kFirstChunk + kChunkHeader;
  if (bytes.Matches(kFirstChunk, "VP8 ")) {
    ReadLossy(bytes, first, header);
    header.only_lossy = true;
  }
  if (bytes.Matches(kFirstChunk, "VP8L")) ReadLossless(bytes, first, header);
  if (!bytes.Matches(kFirstChunk, "VP8X")) return header;

  ReadExtended(bytes, first, header);
  // What follows the RIFF container isn't the picture's.
  header.orientation =
      ReadOrientation(Bytes(file.subspan(0, kRiffHeader + bytes.LittleEndian32(4))));
  return header;
}

}  // namespace patchserve
