// Any bytes on the way of an image from the wire to a model's input.
#include <utility>
#include <vector>

#include "server/image/decode.h"
#include "server/image/header.h"
#include "server/image/preprocess.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // Large pictures would only cost time: the code is the same.
  const auto info = patchserve::ReadHeader({data, size}, {.max_pixels = 200'000});
  if (!info.ok()) return 0;
  auto image = patchserve::Decode({data, size}, *info);
  if (!image.ok()) return 0;
  const patchserve::Image upright = patchserve::Upright(*std::move(image), info->orientation);
  const patchserve::Preprocessing how{.width = 32, .height = 24};
  std::vector<uint8_t> input(how.bytes());
  patchserve::Preprocess(upright, how, absl::MakeSpan(input));
  return 0;
}
