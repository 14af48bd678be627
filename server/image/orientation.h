// Which way up a picture is, by what its file carries of EXIF and XMP.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/types/span.h"

namespace patchserve {

// Returns EXIF's orientation, 1 to 8; 1 is upright. As in Pillow's exif_transpose EXIF is
// asked first, XMP where that says nothing, and XMP's first tiff:Orientation counts, whether
// it is written as an attribute or as an element. `exif` is as exif.h says, `xmp` an XML text;
// each is empty where the file has none.
int Orientation(absl::Span<const uint8_t> exif, std::string_view xmp);

}  // namespace patchserve
