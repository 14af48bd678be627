// An 8-bit RGB picture in memory, and what its file says of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace patchserve {

// Rows top to bottom, three bytes a pixel (R, G, B), no padding.
struct Image {
  int width = 0;
  int height = 0;
  std::unique_ptr<uint8_t[]> pixels;  // width * height * 3 bytes

  size_t size() const { return size_t{3} * width * height; }

  // Pixels are left uninitialised. Needs width, height > 0.
  static Image Uninitialized(int width, int height) {
    return {width, height, std::make_unique_for_overwrite<uint8_t[]>(size_t{3} * width * height)};
  }
};

// kRaw: pixels; kTensor: a model's input, made by the caller.
enum class ImageFormat { kJpeg, kPng, kWebP, kBmp, kRaw, kTensor };

struct ImageInfo {
  ImageFormat format = ImageFormat::kRaw;
  int width = 0;  // as stored in the file, before any EXIF rotation
  int height = 0;
  int orientation = 1;  // of EXIF or XMP, 1 to 8; 1 (upright) where the file has none
  // The most memory a pixel that decoding takes, and turning upright: the RGB that comes out, and
  // what the codec holds meanwhile.
  int decoding_bytes_a_pixel = 3;
  // Decode divides the sides of a JPEG by this, 1, 2, 4 or 8, and rounds up: see JpegShrink.
  int shrink = 1;

  int64_t decoding_bytes() const { return int64_t{decoding_bytes_a_pixel} * width * height; }
};

}  // namespace patchserve
