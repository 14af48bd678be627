// The parts of a BMP file's headers that matter before it is decoded.
#pragma once

#include <cstdint>

#include "absl/types/span.h"

namespace patchserve {

struct BmpHeader {
  int64_t width = 0;   // 0 where the file has a header of another kind
  int64_t height = 0;  // always positive, also where rows are stored top-down
  int bits = 0;        // a pixel
  // Of 16-bit pixels: whether green has 6 bits (565) instead of 5 (555).
  bool green_has_6_bits = false;
  // What OpenCV would silently misread: 32-bit pixels whose masks are in another order
  // than blue, green, red, in a header without one for alpha; pixels that begin inside
  // of the palette.
  bool misleading = false;
};

// `file` starts with "BM". Knows BITMAPCOREHEADER and BITMAPINFOHEADER with all
// that extend it.
BmpHeader ReadBmpHeader(absl::Span<const uint8_t> file);

}  // namespace patchserve
