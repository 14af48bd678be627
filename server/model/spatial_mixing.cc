#include "server/model/spatial_mixing.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addcmul.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include <optional>
#include <utility>
#include <vector>

#include "server/model/cuda/depthwise_weights.h"

namespace patchserve {
namespace {

BatchNorm Identity(int64_t channels) { return {at::ones({channels}), at::zeros({channels})}; }

// All but x and the activation.
FusedDepthwise Pack(const at::TensorOptions& target, const at::Tensor& weight,
                    const at::Tensor& bias, const BatchNorm& after) {
  const int64_t channels = weight.size(0), kernel = weight.size(2);
  std::vector<uint32_t> words = cuda::PackDepthwiseWeights(
      weight.const_data_ptr<float>(), channels, kernel,
      target.dtype() == at::kHalf ? cuda::HalfType::kFloat16 : cuda::HalfType::kBFloat16);
  const at::Tensor packed =
      at::from_blob(words.data(), {static_cast<int64_t>(words.size())}, at::kInt);
  return {.kernel = kernel,
          .x = {},
          .weight = packed.to(target.device(), at::kInt, /*non_blocking=*/false, /*copy=*/true),
          .bias = bias.to(target.device()),
          .scale = after.scale.to(target.device())};
}

}  // namespace

at::MemoryFormat DepthwiseLayout(int64_t kernel) {
  return kernel > 7 ? at::MemoryFormat::Contiguous : at::MemoryFormat::ChannelsLast;
}

at::Tensor DepthwiseSteps::operator()(Activation activation, const at::Tensor& x) const {
  const at::Tensor images = x.permute({0, 3, 1, 2}).contiguous(layout);  // [N, C, H, W]
  at::Tensor mixed = at::conv2d(images, weight, bias, /*stride=*/1, "same", /*dilation=*/1,
                                /*groups=*/images.size(1));
  Activate(activation, mixed);
  return at::addcmul(images, mixed, scale).permute({0, 2, 3, 1}).contiguous();
}

SpatialMixing::SpatialMixing(const Weights& weights, const BatchNorm& before,
                             const at::Tensor& weight, const at::Tensor& bias,
                             const BatchNorm& after) {
  const at::TensorOptions& target = weights.target();
  before_ = before.To(target);
  if (weights.kernels() != nullptr &&
      weights.kernels()->TakesDepthwise(target, weight.size(0), weight.size(2))) {
    fused_ = weights.kernels();
    layer_ = Pack(target, weight, bias, after);
  }
  if (target.device().is_cpu()) {
    const BatchNorm in = before.scale.defined() ? before : Identity(weight.size(0));
    kernel_ = DepthwiseKernel({.channels = weight.size(0),
                               .kernel = weight.size(2),
                               .weight = weight.const_data_ptr<float>(),
                               .bias = bias.const_data_ptr<float>(),
                               .in_scale = in.scale.const_data_ptr<float>(),
                               .in_shift = in.shift.const_data_ptr<float>(),
                               .out_scale = after.scale.const_data_ptr<float>()});
    return;
  }
  const at::MemoryFormat layout = DepthwiseLayout(weight.size(2));
  steps_ = {.layout = layout,
            .weight = weights.Place(weight).contiguous(layout),
            .bias = weights.Place(bias),
            .scale = weights.Place(after.scale.view({1, -1, 1, 1}))};
}

at::Tensor SpatialMixing::operator()(Activation activation, const at::Tensor& input) const {
  if (fused_ != nullptr) {
    FusedDepthwise layer = layer_;
    layer.activation = activation;
    layer.x = before_(input);
    if (std::optional<at::Tensor> mixed = fused_->Depthwise(layer)) return *std::move(mixed);
  }
  return input.device().is_cpu() ? OnCpu(activation, input) : steps_(activation, before_(input));
}

at::Tensor SpatialMixing::OnCpu(Activation activation, const at::Tensor& input) const {
  at::Tensor output = at::empty_like(input);
  const auto run = [&](const auto* in, auto* out) {
    kernel_.Run(activation, in, out, input.size(0), input.size(1), input.size(2));
  };
  if (input.scalar_type() == at::kFloat) {
    run(input.const_data_ptr<float>(), output.mutable_data_ptr<float>());
  } else {
    run(static_cast<const uint16_t*>(input.const_data_ptr()),
        static_cast<uint16_t*>(output.mutable_data_ptr()));
  }
  return output;
}

}  // namespace patchserve
