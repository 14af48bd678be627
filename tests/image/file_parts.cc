#include "tests/image/file_parts.h"

namespace patchserve {

File Joined(std::initializer_list<File> parts) {
  File result;
  for (const File& part : parts) result.insert(result.end(), part.begin(), part.end());
  return result;
}

File Text(std::string_view text) { return File(text.begin(), text.end()); }

File JpegSegment(uint8_t marker, const File& data) {
  const size_t length = data.size() + 2;
  return Joined({{0xff, marker, uint8_t(length >> 8), uint8_t(length)}, data});
}

File JpegWith(const File& jpeg, const File& segments) {
  return Joined({{0xff, 0xd8}, segments, File(jpeg.begin() + 2, jpeg.end())});
}

}  // namespace patchserve
