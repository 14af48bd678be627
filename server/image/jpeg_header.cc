#include "server/image/jpeg_header.h"

#include <cstring>

#include "server/image/bytes.h"
#include "server/image/exif.h"

namespace patchserve {
namespace {

using namespace std::string_view_literals;

constexpr uint8_t kStartOfScan = 0xda;
constexpr uint8_t kEndOfImage = 0xd9;
constexpr uint8_t kApp1 = 0xe1;
constexpr auto kExifPrefix = "Exif\0\0"sv;

// C0 to CF are frame headers, but for C4 (Huffman tables), C8 (reserved) and CC
// (arithmetic conditioning).
bool IsStartOfFrame(uint8_t marker) {
  return (marker & 0xf0) == 0xc0 && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

// Restart markers and TEM stand alone: no length follows.
bool StandsAlone(uint8_t marker) { return (marker >= 0xd0 && marker <= 0xd8) || marker == 0x01; }

// The position after the next marker, at or after `at`, skipping fill bytes and,
// as libjpeg does, garbage. The end of the file where there is none.
size_t AfterNextMarker(const Bytes& bytes, size_t at) {
  for (; bytes.Has(at, 2); ++at) {
    const uint8_t code = bytes.U8(at + 1);
    if (bytes.U8(at) == 0xff && code != 0xff && code != 0) return at + 2;
  }
  return bytes.size();
}

}  // namespace

JpegHeader ReadJpegHeader(absl::Span<const uint8_t> file) {
  const Bytes bytes(file);
  JpegHeader header;
  bool has_exif = false;
  for (size_t at = AfterNextMarker(bytes, 2); bytes.Has(at, 2);) {
    const uint8_t marker = bytes.U8(at - 1);
    if (marker == kStartOfScan || marker == kEndOfImage) break;
    if (StandsAlone(marker)) {
      at = AfterNextMarker(bytes, at);
      continue;
    }
    const size_t length = bytes.BigEndian16(at);  // counts itself
    if (length < 2) break;
    if (IsStartOfFrame(marker) && header.width == 0) {
      header.height = bytes.BigEndian16(at + 3);
      header.width = bytes.BigEndian16(at + 5);
      header.components = bytes.U8(at + 7);
    } else if (marker == kApp1 && !has_exif && bytes.Matches(at + 2, kExifPrefix)) {
      has_exif = true;
      const size_t start = 2 + kExifPrefix.size();
      if (length > start) {
        header.orientation = ExifOrientation(bytes.Part(at + start, length - start));
      }
    }
    at = AfterNextMarker(bytes, at + length);
  }
  return header;
}

int CountJpegScans(absl::Span<const uint8_t> file) {
  // In entropy-coded data FF is followed by 00 or a restart marker, so FF DA can
  // only be a scan, of the picture or of a thumbnail within the metadata.
  int scans = 0;
  const uint8_t* const end = file.data() + file.size();
  for (const uint8_t* at = file.data(); at < end; ++at) {
    at = static_cast<const uint8_t*>(std::memchr(at, 0xff, end - at));
    if (at == nullptr || at + 1 == end) break;
    scans += at[1] == kStartOfScan;
  }
  return scans;
}

}  // namespace patchserve
