#include "server/model/cuda/depthwise_weights.h"

#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include "server/model/cuda/depthwise_plan.h"

namespace patchserve::cuda {
namespace {

uint32_t Rounded(float value, HalfType type) {
  return type == HalfType::kBFloat16 ? c10::BFloat16(value).x : c10::Half(value).x;
}

}  // namespace

std::vector<uint32_t> PackDepthwiseWeights(const float* weight, int64_t channels, int64_t kernel,
                                           HalfType type) {
  const int64_t even = (kernel + 1) / 2, words = ToeplitzWordsOf(kernel);
  std::vector<uint32_t> packed(channels * kernel * words);
  auto to = packed.begin();
  for (int64_t first = 0; first < channels; first += kChannelGroup) {
    for (int64_t y = 0; y < kernel; ++y) {
      for (int64_t channel = first; channel < first + kChannelGroup; ++channel) {
        const float* row = weight + (channel * kernel + y) * kernel;
        const auto at = [&](int64_t x) { return x >= 0 && x < kernel ? Rounded(row[x], type) : 0; };
        for (int64_t word = 0; word < words - 1; ++word) {
          const int64_t x = word < even ? 2 * word : 2 * (word - even) - 1;
          *to++ = at(x) | at(x + 1) << 16;
        }
        *to++ = 0;
      }
    }
  }
  return packed;
}

}  // namespace patchserve::cuda
