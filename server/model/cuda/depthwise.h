// The spatial half of a ConvMixer layer in one pass over memory, on a GPU: plain data, of which
// the library's kernel and its callers speak. kernels.h has the functions.
#pragma once

#include <cstdint>

#include "server/model/activation.h"
#include "server/model/cuda/half_type.h"

namespace patchserve::cuda {

struct DepthwiseShape {
  HalfType type = HalfType::kBFloat16;
  Activation activation = Activation::kGelu;
  int64_t images = 0;    // up to 65,535
  int64_t height = 0;    // up to 64
  int64_t width = 0;     // up to 64
  int64_t channels = 0;  // a multiple of 8
  int64_t kernel = 0;    // 3 to 9
};

// For each image, with a convolution of each channel on its own, zero-padded to the same size (of
// an even kernel the larger part of the padding is below and at the right, as in timm's "same"):
//   out = in + scale * activation(convolution(in) + bias)
// The weights are rounded to `type`; nothing else is but `out`. An image's result doesn't depend on
// what else is in its batch.
struct Depthwise {
  DepthwiseShape shape;
  const void* in = nullptr;          // [images, height, width, channels] of `type`, 16-byte aligned
  void* out = nullptr;               // the same; may be `in`, and mustn't overlap it otherwise
  const uint32_t* weight = nullptr;  // as PackDepthwiseWeights makes it, 16-byte aligned
  const float* bias = nullptr;       // [channels]
  const float* scale = nullptr;      // [channels]
};

}  // namespace patchserve::cuda
