// The spatial half of a ConvMixer layer.
#pragma once

#include "ATen/core/Tensor.h"
#include "absl/status/statusor.h"
#include "server/model/architecture.h"
#include "server/model/fused_kernels.h"
#include "server/model/kernels/depthwise.h"
#include "server/model/layers.h"
#include "server/model/weights.h"

namespace patchserve {

// With x = before(input): x + after(activation(depthwise(x))), [N, H, W, C] -> the same shape.
// One pass over memory by our own kernels, on a CPU and on GPUs that have one for the shape; else
// steps of ATen. Thread-safe.
class SpatialMixing {
 public:
  // before: what is left to apply of the BatchNorm of the layer before, after: this one's. weight:
  // [C, 1, kernel, kernel], bias: [C]; all float32, in the CPU's memory. `after.shift` is left out:
  // what comes next is linear, and its bias can hold that.
  SpatialMixing(const Weights& weights, const BatchNorm& before, const at::Tensor& weight,
                const at::Tensor& bias, const BatchNorm& after);

  at::Tensor operator()(Activation activation, const at::Tensor& input) const;

 private:
  at::Tensor OnCpu(Activation activation, const at::Tensor& input) const;
  at::Tensor InSteps(Activation activation, const at::Tensor& x) const;

  BatchNorm before_;
  DepthwiseKernel kernel_;               // on a CPU
  at::Tensor weight_, bias_, scale_;     // elsewhere; the last [1, C, 1, 1]
  const FusedKernels* fused_ = nullptr;  // null: none for this layer
  FusedDepthwise layer_;                 // for these, without an x
};

}  // namespace patchserve
