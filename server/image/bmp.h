// Pixels of BMP files: OpenCV's reader knows too few of the ways to store 16 and 32 bits.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/image/image.h"

namespace patchserve {

// Decodes a BMP file, of which ReadHeader said `info`, as Pillow's convert("RGB") does.
// Errors: INVALID_ARGUMENT: cut off, pixels that begin inside of the headers or use a colour
// that pixels overlap, a number of bits, compression or order of colours that Pillow doesn't
// read either.
absl::StatusOr<Image> DecodeBmp(absl::Span<const uint8_t> file, const ImageInfo& info);

}  // namespace patchserve
