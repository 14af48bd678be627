// How long decoding takes, by what an image's header says.
#pragma once

#include <array>
#include <atomic>

#include "absl/time/time.h"
#include "server/image/image.h"

namespace patchserve {

// A time a pixel for each format, and for JPEGs that decoding shrinks, learned from every image
// that is decoded, resized and cropped. Thread-safe.
class DecodeCost {
 public:
  absl::Duration Expected(const ImageInfo& image) const;
  void Observe(const ImageInfo& image, absl::Duration took);

 private:
  // Nanoseconds a pixel of the file's, by ImageFormat, and last of JPEGs that are shrunk. To begin
  // with, what one core of 2021 takes.
  std::array<std::atomic<double>, 7> per_pixel_ = {10, 20, 25, 5, 3, 3, 4};
};

}  // namespace patchserve
