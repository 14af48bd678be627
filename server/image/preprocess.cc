#include "server/image/preprocess.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <iterator>
#include <utility>

#include "server/image/resample.h"

namespace patchserve {
namespace {

struct Size {
  int width = 0;
  int height = 0;
};

// Python's round(): halves go to the even neighbour.
int RoundHalfEven(double x) { return static_cast<int>(std::nearbyint(x)); }

// At least 1: a line of 1x60000 fitted into a square would otherwise vanish (timm
// fails there).
int ScaledSide(int side, double ratio) { return std::max(1, RoundHalfEven(side / ratio)); }

// The size before the crop: timm's Resize or ResizeKeepRatio.
Size ResizedSize(const Size& image, const Preprocessing& how) {
  const int width = static_cast<int>(std::floor(how.width / how.crop_pct));
  const int height = static_cast<int>(std::floor(how.height / how.crop_pct));
  if (how.crop_mode == CropMode::kSquash) return {width, height};
  if (how.crop_mode == CropMode::kCenter && width == height) {
    const bool wide = image.width > image.height;
    const double short_side = std::min(image.width, image.height);
    const double long_side = std::max(image.width, image.height);
    const int resized = static_cast<int>(width * long_side / short_side);
    return wide ? Size{resized, height} : Size{width, resized};
  }
  const double ratio_x = static_cast<double>(image.width) / width;
  const double ratio_y = static_cast<double>(image.height) / height;
  const double ratio =
      how.crop_mode == CropMode::kBorder ? std::max(ratio_x, ratio_y) : std::min(ratio_x, ratio_y);
  return {ScaledSide(image.width, ratio), ScaledSide(image.height, ratio)};
}

// Where along one axis the pixels of the resized picture go.
struct Overlap {
  int source = 0;  // the first pixel that is used
  int target = 0;  // where it lands
  int length = 0;
};

Overlap Center(int resized, int wanted) {
  if (resized < wanted) return {0, (wanted - resized) / 2, resized};
  return {RoundHalfEven((resized - wanted) / 2.0), 0, wanted};
}

// The number that config.json wrote: 0.9, not 0.9f, which is a little less.
double AsWritten(float value) {
  char text[32];
  const auto end = std::to_chars(text, std::end(text), value).ptr;
  double written = value;
  std::from_chars(text, end, written);
  return written;
}

void Fill(const Preprocessing& how, absl::Span<uint8_t> out) {
  std::array<uint8_t, 3> color = {0, 0, 0};
  if (how.crop_mode == CropMode::kBorder) {
    for (int c = 0; c < 3; ++c) {
      color[c] =
          static_cast<uint8_t>(std::clamp(RoundHalfEven(255 * AsWritten(how.mean[c])), 0, 255));
    }
  }
  for (size_t i = 0; i < out.size(); ++i) out[i] = color[i % 3];
}

}  // namespace

void Preprocess(const Image& image, const Preprocessing& how, absl::Span<uint8_t> out) {
  const Size size = ResizedSize({image.width, image.height}, how);
  const Overlap x = Center(size.width, how.width);
  const Overlap y = Center(size.height, how.height);
  const Image part = Resample(image, size.width, size.height, how.interpolation,
                              {x.source, y.source, x.length, y.length});
  if (x.length < how.width || y.length < how.height) Fill(how, out);
  const size_t part_stride = size_t{3} * part.width;
  for (int row = 0; row < part.height; ++row) {
    uint8_t* const target = &out[size_t{3} * ((y.target + row) * how.width + x.target)];
    std::memcpy(target, &part.pixels[row * part_stride], part_stride);
  }
}

int JpegShrink(const ImageInfo& info, const Preprocessing& how) {
  if (!how.fast_decode || info.format != ImageFormat::kJpeg) return 1;
  Size stored = {info.width, info.height};
  if (how.apply_orientation && info.orientation >= 5) std::swap(stored.width, stored.height);
  const Size wanted = ResizedSize(stored, how);
  int shrink = 1;
  while (shrink < 8 && stored.width >= 4 * shrink * wanted.width &&
         stored.height >= 4 * shrink * wanted.height) {
    shrink *= 2;
  }
  return shrink;
}

}  // namespace patchserve
