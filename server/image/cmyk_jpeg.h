// JPEG files of four components, which OpenCV decodes in a way of its own.
#pragma once

#include <cstdint>

#include "absl/types/span.h"
#include "server/image/image.h"

namespace patchserve {

// Decodes a CMYK or YCCK JPEG into `image`, as Pillow's convert("RGB") does: the
// inks are taken as inverted, as Adobe writes them. False where the file is
// damaged, or its size or number of components is another.
bool DecodeCmykJpeg(absl::Span<const uint8_t> file, Image& image);

}  // namespace patchserve
