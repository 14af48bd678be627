// Encoded file or raw pixels -> 8-bit RGB.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/image/image.h"
#include "server/image/limits.h"

namespace patchserve {

// Decodes `file`, of which ReadHeader said `info`, as Pillow's convert("RGB")
// does: alpha dropped, palettes expanded, the first frame of an animation. The
// orientation is not applied. info.shrink, if it isn't 1, makes a smaller picture of a JPEG (but
// not of a CMYK one) than Pillow's: libjpeg leaves out high frequencies. Thread-safe. Errors:
// INVALID_ARGUMENT: a damaged or truncated file, a decoded size other than the header's, or a JPEG
// of more than 200 scans, or of more than 10^9 scanned pixels (19 scans of 52 megapixels).
absl::StatusOr<Image> Decode(absl::Span<const uint8_t> file, const ImageInfo& info);

enum class PixelFormat { kRgb, kBgr, kGray };  // 8 bits a channel, rows without padding

// Errors: INVALID_ARGUMENT: a side below 1, over the limits, or `pixels` isn't
// width * height * channels bytes long.
absl::StatusOr<ImageInfo> CheckRaw(absl::Span<const uint8_t> pixels, int width, int height,
                                   PixelFormat format, const ImageLimits& limits);

// `info` is what CheckRaw returned for them.
Image FromRaw(absl::Span<const uint8_t> pixels, const ImageInfo& info, PixelFormat format);

// Turns the picture upright: `orientation` is 1 to 8, as EXIF counts; 1 is returned as is.
Image Upright(Image image, int orientation);

}  // namespace patchserve
