#include "server/model/kernels/depthwise.h"

#include <ATen/Parallel.h>
#include <c10/util/BFloat16.h>

#include <algorithm>

#include "server/model/kernels/scratch.h"

namespace patchserve {
namespace {

int64_t RoundUp(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

std::vector<float> Padded(const float* values, int64_t count) {
  std::vector<float> padded(RoundUp(count, kDepthwiseUnit<uint16_t>));
  std::copy(values, values + count, padded.begin());
  return padded;
}

}  // namespace

DepthwiseKernel::DepthwiseKernel(const Parameters& p)
    : channels_(p.channels),
      kernel_(p.kernel),
      weight_(RoundUp(p.channels, kDepthwiseUnit<uint16_t>) * p.kernel * p.kernel),
      pairs_(RoundUp(p.channels, kDepthwiseUnit<uint16_t>) * p.kernel * DepthwisePairs(p.kernel)),
      bias_(Padded(p.bias, p.channels)),
      in_scale_(Padded(p.in_scale, p.channels)),
      in_shift_(Padded(p.in_shift, p.channels)),
      out_scale_(Padded(p.out_scale, p.channels)) {
  const int64_t taps = kernel_ * kernel_;
  for (int64_t c = 0; c < channels_; ++c) {
    const int64_t group = c / kDepthwiseGroup;
    for (int64_t tap = 0; tap < taps; ++tap) {
      weight_[(group * taps + tap) * kDepthwiseGroup + c % kDepthwiseGroup] =
          p.weight[c * taps + tap];
      const int64_t row = (group * kernel_ + tap / kernel_) * DepthwisePairs(kernel_);
      const int64_t column = tap % kernel_;
      pairs_[(row + column / 2) * kDepthwiseGroup + c % kDepthwiseGroup] |=
          c10::BFloat16(p.weight[c * taps + tap]).x << (column % 2 * 16);
    }
  }
}

template <typename T>
void DepthwiseKernel::Run(Activation activation, const T* in, T* out, int64_t images,
                          int64_t height, int64_t width, InstructionSet set) const {
  const auto run = KERNEL_FOR(set, RunDepthwise, DepthwiseStep<T>);
  const int64_t units = RoundUp(channels_, kDepthwiseUnit<T>) / kDepthwiseUnit<T>;
  const int64_t row_floats = kernel_ * DepthwiseRowWidth(kernel_, width) * kDepthwiseUnit<T>;
  at::parallel_for(0, images * units, /*grain_size=*/1, [&](int64_t begin, int64_t end) {
    const Scratch rows = MakeScratch(row_floats);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t image = i / units * height * width * channels_;
      const int64_t first = i % units * kDepthwiseUnit<T>;
      run({.activation = activation,
           .channels = channels_,
           .kernel = kernel_,
           .height = height,
           .width = width,
           .first = first,
           .weight = weight_.data() + first * kernel_ * kernel_,
           .pairs = pairs_.data() + first * kernel_ * DepthwisePairs(kernel_),
           .bias = bias_.data() + first,
           .in_scale = in_scale_.data() + first,
           .in_shift = in_shift_.data() + first,
           .out_scale = out_scale_.data() + first,
           .in = in + image,
           .out = out + image,
           .rows = rows.get()});
    }
  });
}

template void DepthwiseKernel::Run(Activation, const float*, float*, int64_t, int64_t, int64_t,
                                   InstructionSet) const;
template void DepthwiseKernel::Run(Activation, const uint16_t*, uint16_t*, int64_t, int64_t,
                                   int64_t, InstructionSet) const;

}  // namespace patchserve
