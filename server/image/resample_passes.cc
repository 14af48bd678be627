#include "server/image/resample_passes.h"

#include <algorithm>

namespace patchserve {
namespace {

constexpr int32_t kHalf = 1 << (kWeightBits - 1);

uint8_t Clip(int32_t sum) { return static_cast<uint8_t>(std::clamp(sum >> kWeightBits, 0, 255)); }

void AlongRows(const Rows& in, int rows, const FilterWeights& weights, uint8_t* out,
               size_t out_stride) {
  for (int y = 0; y < rows; ++y) {
    const uint8_t* const source = in.data + y * in.stride;
    uint8_t* target = out + y * out_stride;
    for (int x = 0; x < weights.outputs(); ++x, target += 3) {
      const uint8_t* pixel = source + size_t{3} * weights.first[x];
      const int32_t* const k = &weights.weights[static_cast<size_t>(x) * weights.taps];
      int32_t r = kHalf, g = kHalf, b = kHalf;
      for (int t = 0; t < weights.counts[x]; ++t, pixel += 3) {
        r += pixel[0] * k[t];
        g += pixel[1] * k[t];
        b += pixel[2] * k[t];
      }
      target[0] = Clip(r);
      target[1] = Clip(g);
      target[2] = Clip(b);
    }
  }
}

void AcrossRows(const Rows& in, int row_bytes, const FilterWeights& weights, uint8_t* out,
                size_t out_stride) {
  for (int y = 0; y < weights.outputs(); ++y) {
    const uint8_t* const source = in.data + weights.first[y] * in.stride;
    const int32_t* const k = &weights.weights[static_cast<size_t>(y) * weights.taps];
    uint8_t* const target = out + y * out_stride;
    for (int x = 0; x < row_bytes; ++x) {
      int32_t sum = kHalf;
      for (int t = 0; t < weights.counts[y]; ++t) sum += source[t * in.stride + x] * k[t];
      target[x] = Clip(sum);
    }
  }
}

const ResamplePasses& BestPasses() {
  static const ResamplePasses passes = HasAvx2() ? Avx2Passes() : PortablePasses();
  return passes;
}

}  // namespace

ResamplePasses PortablePasses() { return {AlongRows, AcrossRows}; }

void ResampleAlongRows(const Rows& in, int rows, const FilterWeights& weights, uint8_t* out,
                       size_t out_stride) {
  BestPasses().along_rows(in, rows, weights, out, out_stride);
}

void ResampleAcrossRows(const Rows& in, int row_bytes, const FilterWeights& weights, uint8_t* out,
                        size_t out_stride) {
  BestPasses().across_rows(in, row_bytes, weights, out, out_stride);
}

}  // namespace patchserve
