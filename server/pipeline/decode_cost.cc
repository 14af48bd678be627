#include "server/pipeline/decode_cost.h"

#include <algorithm>

namespace patchserve {
namespace {

// The newest image counts for a tenth, and no image for more than four times what was
// expected, or less than a quarter: a thread that was held up says little of the format.
constexpr double kShare = 0.1;
constexpr double kFarOff = 4;

// A small image costs as much as one of so many pixels.
double Pixels(const ImageInfo& image) {
  return std::max(static_cast<double>(image.width) * image.height, 10'000.0);
}

size_t KindOf(const ImageInfo& image) {
  return image.shrink > 1 ? 6 : static_cast<size_t>(image.format);
}

}  // namespace

absl::Duration DecodeCost::Expected(const ImageInfo& image) const {
  return absl::Nanoseconds(per_pixel_[KindOf(image)] * Pixels(image));
}

void DecodeCost::Observe(const ImageInfo& image, absl::Duration took) {
  std::atomic<double>& known = per_pixel_[KindOf(image)];
  const double now = known;
  const double seen = absl::ToDoubleNanoseconds(took) / Pixels(image);
  known = now + kShare * (std::clamp(seen, now / kFarOff, kFarOff * now) -
                          now);  // of two at once one may be lost
}

}  // namespace patchserve
