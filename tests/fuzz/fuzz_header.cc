// Any bytes as an image file whose size is asked for; an answer must keep the limits.
#include <cstdlib>

#include "server/image/header.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const patchserve::ImageLimits limits;
  const auto info = patchserve::ReadHeader({data, size}, limits);
  if (!info.ok()) return 0;
  const bool kept = info->width >= 1 && info->height >= 1 &&
                    int64_t{1} * info->width * info->height <= limits.max_pixels &&
                    info->orientation >= 1 && info->orientation <= 8;
  if (!kept) std::abort();
  return 0;
}
