// The orientation tag of EXIF metadata (EXIF 2.32, section 4.6.4, tag 0x0112; TIFF 6.0,
// section 2).
#pragma once

#include <cstdint>
#include <optional>

#include "absl/types/span.h"

namespace patchserve {

// `block` is EXIF as a file carries it: TIFF, after "Exif\0\0" once, twice or not at all.
// Returns 1 to 8, read as Pillow does: any type of number will do, and the first number
// counts. 1, upright, for another number, for what is no number, and for a block that
// isn't TIFF. Nothing where a directory says nothing of it or is cut off before.
std::optional<int> ExifOrientation(absl::Span<const uint8_t> block);

}  // namespace patchserve
