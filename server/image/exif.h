// The orientation tag of EXIF metadata (EXIF 2.32, section 4.6.4, tag 0x0112).
#pragma once

#include <cstdint>

#include "absl/types/span.h"

namespace patchserve {

// `tiff` starts with the byte order, "II" or "MM", after any "Exif\0\0" prefix.
// Returns 1 to 8; 1, upright, where there is no tag or it makes no sense.
int ExifOrientation(absl::Span<const uint8_t> tiff);

}  // namespace patchserve
