#include "server/model/spatial_mixing.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addcmul.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty_like.h>

#include "server/model/linear.h"

namespace patchserve {

SpatialMixing::SpatialMixing(const Weights& weights, const BatchNorm& before,
                             const at::Tensor& weight, const at::Tensor& bias,
                             const BatchNorm& after) {
  if (weights.target().device().is_cpu()) {
    kernel_ = DepthwiseKernel({.channels = weight.size(0),
                               .kernel = weight.size(2),
                               .weight = weight.const_data_ptr<float>(),
                               .bias = bias.const_data_ptr<float>(),
                               .in_scale = before.scale.const_data_ptr<float>(),
                               .in_shift = before.shift.const_data_ptr<float>(),
                               .out_scale = after.scale.const_data_ptr<float>()});
    return;
  }
  weight_ = weights.Place(weight).contiguous(at::MemoryFormat::ChannelsLast);
  bias_ = weights.Place(bias);
  in_scale_ = weights.Place(before.scale.view({1, -1, 1, 1}));
  in_shift_ = weights.Place(before.shift.view({1, -1, 1, 1}));
  out_scale_ = weights.Place(after.scale.view({1, -1, 1, 1}));
}

at::Tensor SpatialMixing::operator()(Activation activation, const at::Tensor& input) const {
  if (!input.device().is_cpu()) return InSteps(activation, input);
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

at::Tensor SpatialMixing::InSteps(Activation activation, const at::Tensor& input) const {
  // [N, H, W, C] -> [N, C, H, W], channels last.
  const at::Tensor x = at::addcmul(in_shift_, input.permute({0, 3, 1, 2}), in_scale_);
  at::Tensor mixed = at::conv2d(x, weight_, bias_, /*stride=*/1, "same", /*dilation=*/1,
                                /*groups=*/x.size(1));
  Activate(activation, mixed);
  return at::addcmul(x, mixed, out_scale_).permute({0, 2, 3, 1});
}

}  // namespace patchserve
