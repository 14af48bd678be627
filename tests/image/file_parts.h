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

File PngChunk(std::string_view name, const File& data);
// rgb.png with `chunks` before its pixels.
File PngWith(const File& chunks);
File Deflated(const File& data);

File WebPChunk(std::string_view name, const File& data);
// lossless.webp in the extended form with `flags`, and `chunks` behind its pixels.
File WebPWith(uint8_t flags, const File& chunks);

// An EXIF block whose orientation is this.
File ExifBlock(uint8_t orientation);

}  // namespace patchserve
