// The parts of a WebP file's chunks that matter before it is decoded (RFC 9649).
#pragma once

#include <cstdint>

#include "absl/types/span.h"

namespace patchserve {

struct WebPHeader {
  int width = 0;  // 0 where no chunk tells the size; of an animation, its canvas's
  int height = 0;
  int orientation = 1;      // of EXIF or XMP
  bool only_lossy = false;  // one picture, without alpha
  bool animated = false;
};

// `file` starts with "RIFF....WEBP".
WebPHeader ReadWebPHeader(absl::Span<const uint8_t> file);

}  // namespace patchserve
