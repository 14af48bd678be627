#include <cstring>

#include "absl/strings/str_cat.h"
#include "server/base/status.h"
#include "server/image/decode.h"

namespace patchserve {
namespace {

int Channels(PixelFormat format) { return format == PixelFormat::kGray ? 1 : 3; }

}  // namespace

absl::StatusOr<ImageInfo> CheckRaw(absl::Span<const uint8_t> pixels, int width, int height,
                                   PixelFormat format, const ImageLimits& limits) {
  if (width < 1 || height < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("image is ", width, "x", height, ", a side must be at least 1"));
  }
  RETURN_IF_ERROR(CheckByteLimit(pixels.size(), limits));
  RETURN_IF_ERROR(CheckPixelLimit(width, height, limits));
  const size_t expected = size_t{1} * width * height * Channels(format);
  if (pixels.size() != expected) {
    return absl::InvalidArgumentError(absl::StrCat("raw image has ", pixels.size(), " bytes, ",
                                                   width, "x", height, "x", Channels(format),
                                                   " needs ", expected));
  }
  return ImageInfo{ImageFormat::kRaw, width, height, 1};
}

Image FromRaw(absl::Span<const uint8_t> pixels, const ImageInfo& info, PixelFormat format) {
  Image image = Image::Uninitialized(info.width, info.height);
  if (format == PixelFormat::kRgb) {
    std::memcpy(image.pixels.get(), pixels.data(), image.size());
    return image;
  }
  // Where red, green and blue stand in a source pixel.
  const bool gray = format == PixelFormat::kGray;
  const int red = gray ? 0 : 2, green = gray ? 0 : 1, blue = 0;
  const uint8_t* source = pixels.data();
  for (size_t i = 0; i < image.size(); i += 3, source += Channels(format)) {
    image.pixels[i] = source[red];
    image.pixels[i + 1] = source[green];
    image.pixels[i + 2] = source[blue];
  }
  return image;
}

}  // namespace patchserve
