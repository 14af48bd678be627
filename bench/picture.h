// Something like a photo, of any size.
#pragma once

#include "server/image/image.h"

namespace patchserve {

// Smooth, with a little noise.
inline Image Picture(int width, int height) {
  Image image = Image::Uninitialized(width, height);
  uint32_t noise = 1;
  for (size_t i = 0; i < image.size(); ++i) {
    noise = noise * 1664525 + 1013904223;
    const size_t x = i / 3 % width, y = i / 3 / width;
    image.pixels[i] = static_cast<uint8_t>(x * 120 / width + y * 120 / height + (noise >> 28));
  }
  return image;
}

}  // namespace patchserve
