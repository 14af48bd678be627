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

// How images lie in memory for LibTorch's depthwise convolutions on a GPU. cuDNN's for
// channels-last images end at 7 x 7; beyond, images in planes take half of the time. Measured with
// timm's networks in eager mode, PyTorch 2.11, on an H100 (2026-11-27, bfloat16, batches of 128),
// images/s in planes and channels last: 7 x 7 convmixer_768_32 789, 1,675; 9 x 9
// convmixer_1024_20_ks9_p14 2,287, 1,301, convmixer_1536_20 400, 222.
at::MemoryFormat DepthwiseLayout(int64_t kernel);

// x + scale * activation(depthwise(x)) in steps of ATen: [N, H, W, C] -> the same shape,
// contiguous.
struct DepthwiseSteps {
  at::MemoryFormat layout = at::MemoryFormat::Contiguous;  // that the convolution is computed in
  at::Tensor weight;                                       // [C, 1, kernel, kernel]
  at::Tensor bias;                                         // [C]
  at::Tensor scale;                                        // [1, C, 1, 1]
  at::Tensor operator()(Activation activation, const at::Tensor& x) const;
};

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

  BatchNorm before_;
  DepthwiseKernel kernel_;               // on a CPU
  DepthwiseSteps steps_;                 // elsewhere
  const FusedKernels* fused_ = nullptr;  // null: none for this layer
  FusedDepthwise layer_;                 // for these, without an x
};

}  // namespace patchserve
