// Reads what an image file says of itself, without decoding it.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/image/image.h"
#include "server/image/limits.h"

namespace patchserve {

// Format, size and orientation of a JPEG, PNG, WebP or BMP file, checked
// against `limits`. Looks only at the file's headers: microseconds, no
// allocation of pixels. Thread-safe.
// Errors: INVALID_ARGUMENT: empty, too many bytes, another format, no size in the
// headers, a side of 0 or over 65535, too many pixels, or a layout of pixels that no decoder takes.
absl::StatusOr<ImageInfo> ReadHeader(absl::Span<const uint8_t> file, const ImageLimits& limits);

}  // namespace patchserve
