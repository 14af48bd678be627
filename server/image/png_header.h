// The parts of a PNG file's chunks that matter before it is decoded (W3C PNG,
// third edition).
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace patchserve {

struct PngHeader {
  int64_t width = 0;  // 0 where the file has no IHDR
  int64_t height = 0;
  int bit_depth = 0;
  int color_type = 0;       // 0 grey, 2 RGB, 3 palette, 4 grey + alpha, 6 RGBA
  bool has_extras = false;  // other chunks than OnlyPixels keeps
  bool complete = false;    // every chunk up to IEND lies within the file
  int orientation = 1;      // of EXIF or XMP
};

// `file` starts with the PNG signature. Steps over all chunks: metadata may come last.
PngHeader ReadPngHeader(absl::Span<const uint8_t> file);

// A copy of a complete file with only the chunks that make its pixels: IHDR, PLTE,
// tRNS, IDAT and IEND. An animation becomes the still picture that every PNG reader
// shows, and compressed texts and profiles, of which a small file can hold
// gigabytes, are never unpacked.
std::vector<uint8_t> OnlyPixels(absl::Span<const uint8_t> file);

}  // namespace patchserve
