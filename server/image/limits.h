// What an image may measure: one place for files and raw pixels alike.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"

namespace patchserve {

struct ImageLimits {
  int64_t max_bytes = 20'000'000;  // of the encoded file, or of raw pixels
  // width * height: cameras of "50 megapixels" have up to 51.3 million
  int64_t max_pixels = 52'000'000;
};

// JPEG's own limit for the other formats as well: with sides of 16 bits no size
// that resizing computes can overflow an int.
inline constexpr int64_t kMaxSide = 65535;

// Errors: INVALID_ARGUMENT: more than limits.max_bytes.
absl::Status CheckByteLimit(size_t bytes, const ImageLimits& limits);

// Needs width, height > 0. Errors: INVALID_ARGUMENT: more than limits.max_pixels,
// or a side over kMaxSide.
absl::Status CheckPixelLimit(int64_t width, int64_t height, const ImageLimits& limits);

}  // namespace patchserve
