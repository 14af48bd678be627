// timm's evaluation transform up to the point where pixels become floats.
#pragma once

#include <cstdint>

#include "absl/types/span.h"
#include "server/image/image.h"
#include "server/image/preprocessing.h"

namespace patchserve {

// Resizes and crops `image` as timm 1.0.31 does for `how`, and writes
// how.height rows of how.width RGB pixels to `out`, which is how.bytes() long.
// Equal to timm's transform in every byte. The EXIF orientation is the caller's
// matter. Thread-safe.
void Preprocess(const Image& image, const Preprocessing& how, absl::Span<uint8_t> out);

// By how much decoding may divide the sides of a picture that goes to Preprocess next: 1, 2, 4 or
// 8, as long as they stay at least twice as long as what Preprocess resizes them to. 1 for what
// isn't a JPEG, and unless how.fast_decode.
int JpegShrink(const ImageInfo& info, const Preprocessing& how);

}  // namespace patchserve
