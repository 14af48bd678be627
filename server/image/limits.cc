#include "server/image/limits.h"

#include "absl/strings/str_cat.h"

namespace patchserve {

absl::Status CheckByteLimit(size_t bytes, const ImageLimits& limits) {
  if (bytes <= static_cast<uint64_t>(limits.max_bytes)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("image has ", bytes, " bytes, more than ", limits.max_bytes));
}

absl::Status CheckPixelLimit(int64_t width, int64_t height, const ImageLimits& limits) {
  if (width > limits.max_pixels / height) {
    return absl::InvalidArgumentError(absl::StrCat("image is ", width, "x", height, ", more than ",
                                                   limits.max_pixels, " pixels"));
  }
  if (width > kMaxSide || height > kMaxSide) {
    return absl::InvalidArgumentError(
        absl::StrCat("image is ", width, "x", height, ", a side may have ", kMaxSide, " pixels"));
  }
  return absl::OkStatus();
}

}  // namespace patchserve
