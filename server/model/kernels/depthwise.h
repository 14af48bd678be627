// The spatial half of a ConvMixer layer in one pass over memory, on a CPU.
#pragma once

#include <cstdint>
#include <vector>

#include "server/model/activation.h"
#include "server/model/kernels/instruction_set.h"

namespace patchserve {

// For each image, with a convolution of each channel on its own, zero-padded to the same size:
//   x = in_scale * in + in_shift
//   out = x + out_scale * activation(convolution(x) + bias)
// Numbers are float32 throughout, whatever the type of `in` and `out` is; but where `in` is
// bfloat16 and the CPU multiplies pairs of those (kAvx512Bf16), x and the weights are bfloat16.
// An image's result doesn't depend on what else is in its batch. Const functions are thread-safe.
class DepthwiseKernel {
 public:
  // One number a channel each; weight [channels, kernel, kernel].
  struct Parameters {
    int64_t channels = 0;
    int64_t kernel = 0;
    const float* weight = nullptr;
    const float* bias = nullptr;
    const float* in_scale = nullptr;
    const float* in_shift = nullptr;
    const float* out_scale = nullptr;
  };
  DepthwiseKernel() = default;
  explicit DepthwiseKernel(const Parameters& parameters);

  // in, out: [images, height, width, channels] of float or uint16_t, which is a bfloat16. They
  // must not overlap. `set`: not better than BestInstructionSet().
  template <typename T>
  void Run(Activation activation, const T* in, T* out, int64_t images, int64_t height,
           int64_t width, InstructionSet set = BestInstructionSet()) const;

 private:
  int64_t channels_ = 0;
  int64_t kernel_ = 0;
  // Channels in groups of kDepthwiseGroup, the last one padded with zeros.
  std::vector<float> weight_;  // [groups, kernel, kernel, kDepthwiseGroup]
  // In bfloat16, two neighbours of a row in one: [groups, kernel, kernel / 2 rounded up,
  // kDepthwiseGroup], the first of them in the lower half.
  std::vector<int32_t> pairs_;
  std::vector<float> bias_, in_scale_, in_shift_, out_scale_;
};

// What is compiled for each instruction set: see vector.h.
constexpr int kDepthwiseGroup = 16;

template <typename T>
constexpr int kDepthwiseUnit = 64 / sizeof(T);  // channels in a cache line: one step of the kernel

// A unit of one image.
template <typename T>
struct DepthwiseStep {
  Activation activation;
  int64_t channels, kernel, height, width;
  int64_t first;  // channel; the weights and the numbers a channel begin with its
  const float* weight;
  const int32_t* pairs;
  const float *bias, *in_scale, *in_shift, *out_scale;
  const T* in;  // the image's first number, and so on
  T* out;
  float* rows;  // DepthwiseRowFloats of scratch memory, at a cache line's start
};

constexpr int64_t DepthwisePairs(int64_t kernel) { return (kernel + 1) / 2; }  // in a row

// `kernel` rows of a unit of channels, padded on both sides.
constexpr int64_t DepthwiseRowWidth(int64_t kernel, int64_t width) {
  return (width + 15) / 16 * 16 + kernel - 1;
}

DECLARE_KERNEL(RunDepthwise, DepthwiseStep)

}  // namespace patchserve
