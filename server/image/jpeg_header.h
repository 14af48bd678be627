// The parts of a JPEG file's markers that matter before it is decoded
// (ITU-T T.81, annex B).
#pragma once

#include <cstdint>

#include "absl/types/span.h"

namespace patchserve {

struct JpegHeader {
  int width = 0;  // 0 where the file has no frame header
  int height = 0;
  int precision = 0;    // bits a sample
  int components = 0;   // 1 grey, 3 colour, 4 CMYK or YCCK
  int orientation = 1;  // of EXIF or XMP
  // Progressive, or a scan a component: libjpeg then holds the whole picture's coefficients.
  bool many_scans = false;
};

// `file` starts with FF D8. Reads up to the first scan.
JpegHeader ReadJpegHeader(absl::Span<const uint8_t> file);

// How many scans the picture has: those that a decoder meets up to the image's end.
// Thumbnails within segments, and videos or pictures behind the image, don't count.
// Each scan costs a walk over the whole picture, so a few bytes that repeat them can
// keep a decoder busy for hours.
int CountJpegScans(absl::Span<const uint8_t> file);

}  // namespace patchserve
