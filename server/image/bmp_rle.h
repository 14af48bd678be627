// The run-length coding of BMP files.
#pragma once

#include <cstdint>

#include "absl/types/span.h"
#include "server/image/bmp_header.h"

namespace patchserve {

// Unpacks pixels of 4 or 8 bits into `indices`, rows of `width` top to bottom; all are 0 before.
// As Pillow: what is skipped stays 0, runs end with their row. False where the file ends, or
// says that the picture does, before all pixels are there.
bool UnpackBmpRle(absl::Span<const uint8_t> file, const BmpHeader& header, int width,
                  absl::Span<uint8_t> indices);

}  // namespace patchserve
