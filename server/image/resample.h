// Pillow's resampling (Pillow 13, src/libImaging/Resample.c), bit for bit.
#pragma once

#include "server/image/image.h"
#include "server/image/preprocessing.h"

namespace patchserve {

// A part of a picture: `left` and `top` may not be negative, and the whole
// rectangle lies within the picture.
struct Box {
  int left = 0;
  int top = 0;
  int width = 0;
  int height = 0;
};

// Resizes `image` to width x height and returns the part `box` of the result;
// what lies outside of the box is never computed. A side that keeps its length is
// not filtered. Antialiased: the filter's support grows with the scale.
// Needs width, height > 0. Thread-safe.
Image Resample(const Image& image, int width, int height, Interpolation interpolation,
               const Box& box);

}  // namespace patchserve
