// The spatial half of a ConvMixer layer.
#pragma once

#include "ATen/core/Tensor.h"
#include "absl/status/statusor.h"
#include "server/model/architecture.h"
#include "server/model/kernels/depthwise.h"
#include "server/model/layers.h"
#include "server/model/weights.h"

namespace patchserve {

// With x = before(input): x + after(activation(depthwise(x))), [N, H, W, C] -> the same shape.
// One pass over memory on a CPU, steps of ATen elsewhere. Thread-safe.
class SpatialMixing {
 public:
  // before: the BatchNorm of the layer before, after: this one's. weight: [C, 1, kernel, kernel],
  // bias: [C]; all float32, in the CPU's memory. `after.shift` is left out: what comes next is
  // linear, and its bias can hold that.
  SpatialMixing(const Weights& weights, const BatchNorm& before, const at::Tensor& weight,
                const at::Tensor& bias, const BatchNorm& after);

  at::Tensor operator()(Activation activation, const at::Tensor& input) const;

 private:
  at::Tensor InSteps(Activation activation, const at::Tensor& input) const;

  DepthwiseKernel kernel_;                      // on a CPU
  at::Tensor weight_, bias_;                    // elsewhere
  at::Tensor in_scale_, in_shift_, out_scale_;  // [1, C, 1, 1]
};

}  // namespace patchserve
