#include "server/image/jpeg_header.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <vector>

#include "server/image/bytes.h"
#include "server/image/orientation.h"

namespace patchserve {
namespace {

using namespace std::string_view_literals;

constexpr uint8_t kStartOfScan = 0xda;
constexpr uint8_t kEndOfImage = 0xd9;
constexpr uint8_t kApp1 = 0xe1;
constexpr auto kExifPrefix = "Exif\0\0"sv;
constexpr auto kXmpPrefix = "http://ns.adobe.com/xap/1.0/\0"sv;

// C0 to CF are frame headers, but for C4 (Huffman tables), C8 (reserved) and CC
// (arithmetic conditioning).
bool IsStartOfFrame(uint8_t marker) {
  return (marker & 0xf0) == 0xc0 && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

// C2, C6, CA and CE.
bool IsProgressive(uint8_t start_of_frame) { return (start_of_frame & 3) == 2; }

// Below C0 stands what is reserved, of which libjpeg skips the marker alone where it
// looks for a restart marker (D0 to D7). D8 and D9 start and end an image.
bool HasSegment(uint8_t marker) { return marker >= 0xc0 && (marker < 0xd0 || marker > 0xd9); }

// Steps over the markers that libjpeg sees. A segment is skipped by its length, also
// where that is too short to count itself; entropy-coded data, fill bytes and garbage
// are skipped up to the next marker.
class Markers {
 public:
  explicit Markers(absl::Span<const uint8_t> file) : bytes_(file), file_(file) {}

  // To the next marker; false at the end of the image and of the file.
  bool Next() {
    size_t at = AfterNextMarker();
    if (at == 0) return false;
    marker_ = file_[at - 1];
    segment_ = {};
    next_ = at;
    if (marker_ == kEndOfImage) return false;
    if (!HasSegment(marker_)) return true;
    const size_t length = std::max<size_t>(bytes_.BigEndian16(at), kLengthField);
    segment_ = bytes_.Part(at + kLengthField, length - kLengthField);
    next_ = at + length;
    return true;
  }

  uint8_t marker() const { return marker_; }

  // What follows the length field, cut off at the end of the file; empty for a marker
  // that stands alone.
  absl::Span<const uint8_t> segment() const { return segment_; }

 private:
  static constexpr size_t kLengthField = 2;

  // FF 00 stands for a byte FF of entropy-coded data, FF FF for a fill byte. 0: none.
  size_t AfterNextMarker() const {
    for (size_t at = next_; at < file_.size(); ++at) {
      const void* found = std::memchr(&file_[at], 0xff, file_.size() - at);
      if (found == nullptr) return 0;
      at = static_cast<const uint8_t*>(found) - file_.data();
      while (at < file_.size() && file_[at] == 0xff) ++at;
      if (at < file_.size() && file_[at] != 0) return at + 1;
    }
    return 0;
  }

  Bytes bytes_;
  absl::Span<const uint8_t> file_;
  size_t next_ = 2;  // after the image's start, FF D8
  uint8_t marker_ = 0;
  absl::Span<const uint8_t> segment_;
};

}  // namespace

JpegHeader ReadJpegHeader(absl::Span<const uint8_t> file) {
  JpegHeader header;
  std::vector<uint8_t> exif;  // one block, also where it is spread over several segments
  std::string_view xmp;
  for (Markers markers(file); markers.Next();) {
    const Bytes segment(markers.segment());
    if (markers.marker() == kStartOfScan) {
      header.many_scans |= segment.U8(0) < header.components;
      break;
    }
    if (IsStartOfFrame(markers.marker()) && header.width == 0) {
      header.precision = segment.U8(0);
      header.height = segment.BigEndian16(1);
      header.width = segment.BigEndian16(3);
      header.components = segment.U8(5);
      header.many_scans = IsProgressive(markers.marker());
    } else if (markers.marker() == kApp1 && segment.Matches(0, kExifPrefix)) {
      const auto part = markers.segment().subspan(exif.empty() ? 0 : kExifPrefix.size());
      exif.insert(exif.end(), part.begin(), part.end());
    } else if (markers.marker() == kApp1 && segment.Matches(0, kXmpPrefix)) {
      xmp = AsText(markers.segment().subspan(kXmpPrefix.size()));
    }
  }
  header.orientation = Orientation(exif, xmp);
  return header;
}

int CountJpegScans(absl::Span<const uint8_t> file) {
  int scans = 0;
  for (Markers markers(file); markers.Next();) scans += markers.marker() == kStartOfScan;
  return scans;
}

}  // namespace patchserve
