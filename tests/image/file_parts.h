// What image files are made of, for tests of files that no encoder writes.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "tests/image/test_images.h"

namespace patchserve {

File Joined(std::initializer_list<File> parts);
File Text(std::string_view text);

// A marker with its length and data, which is at most 65533 bytes long.
File JpegSegment(uint8_t marker, const File& data);
// With `segments` right after the image's start.
File JpegWith(const File& jpeg, const File& segments);

}  // namespace patchserve
