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

inline constexpr char kDamagedImage[] = "image file is damaged or cut off: it can't be decoded";

// What decoding a PNG file goes by.
struct PngLayout {
  uint8_t bit_depth = 0;
  uint8_t color_type = 0;    // 0 grey, 2 RGB, 3 palette, 4 grey + alpha, 6 RGBA
  bool only_pixels = false;  // only the chunks that OnlyPixels keeps, each of them whole
};

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
  int jpeg_components = 3;  // 1 grey, 3 colour, 4 CMYK or YCCK
  PngLayout png;

  int64_t decoding_bytes() const { return int64_t{decoding_bytes_a_pixel} * width * height; }
};

}  // namespace patchserve
