// The parts of a BMP file's headers that matter: BITMAPCOREHEADER, BITMAPINFOHEADER and what
// extends it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"

namespace patchserve {

enum class BmpCompression : uint32_t { kNone = 0, kRle8 = 1, kRle4 = 2, kMasks = 3 };

struct BmpHeader {
  uint32_t length = 0;  // of the header, which tells its kind
  int64_t width = 0;    // 0 where the file has a header of another kind
  int64_t height = 0;   // always positive
  bool top_down = false;
  int bits = 0;                        // a pixel
  BmpCompression compression = {};     // perhaps a number that has no name here
  std::array<uint32_t, 4> masks = {};  // red, green, blue, alpha: where each stands in a pixel
  size_t palette = 0;                  // where the headers end
  int color_bytes = 4;  // a colour of the palette: blue, green, red, perhaps one more
  int64_t colors = 0;   // in the palette; 0 with more than 8 bits
  size_t pixels = 0;    // where they begin

  size_t palette_end() const { return palette + color_bytes * colors; }
};

// `file` starts with "BM". As in Pillow pixels follow the palette where the file says 0, or the
// place of the palette, for where they begin.
BmpHeader ReadBmpHeader(absl::Span<const uint8_t> file);

}  // namespace patchserve
