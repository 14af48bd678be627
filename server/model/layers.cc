#include "server/model/layers.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/rsqrt.h>

#include "absl/strings/str_cat.h"
#include "server/base/status.h"

namespace patchserve {

at::Tensor Linear::operator()(const at::Tensor& x) const { return at::linear(x, weight, bias); }

at::Tensor LayerNorm::operator()(const at::Tensor& x) const {
  constexpr double kEpsilon = 1e-6;  // timm's, not PyTorch's 1e-5
  return at::layer_norm(x, weight.sizes(), weight, bias, kEpsilon);
}

absl::StatusOr<Linear> TakeLinear(Weights& weights, const std::string& name, int64_t in,
                                  int64_t out) {
  ASSIGN_OR_RETURN(const at::Tensor weight, weights.Take(name + ".weight", {out, in}));
  ASSIGN_OR_RETURN(const at::Tensor bias, weights.Take(name + ".bias", {out}));
  return Linear{weights.Place(weight), weights.Place(bias)};
}

absl::StatusOr<LayerNorm> TakeLayerNorm(Weights& weights, const std::string& name, int64_t dim) {
  ASSIGN_OR_RETURN(const at::Tensor weight, weights.Take(name + ".weight", {dim}));
  ASSIGN_OR_RETURN(const at::Tensor bias, weights.Take(name + ".bias", {dim}));
  return LayerNorm{weights.Place(weight), weights.Place(bias)};
}

absl::StatusOr<Convolution> TakeConvolution(Weights& weights, const std::string& name, int64_t in,
                                            int64_t out, int64_t kernel) {
  ASSIGN_OR_RETURN(const at::Tensor weight,
                   weights.Take(name + ".weight", {out, in, kernel, kernel}));
  ASSIGN_OR_RETURN(const at::Tensor bias, weights.Take(name + ".bias", {out}));
  return Convolution{weights.Place(weight).contiguous(at::MemoryFormat::ChannelsLast),
                     weights.Place(bias)};
}

absl::StatusOr<BatchNorm> TakeBatchNorm(Weights& weights, const std::string& name,
                                        int64_t channels) {
  constexpr double kEpsilon = 1e-5;
  ASSIGN_OR_RETURN(const at::Tensor weight, weights.Take(name + ".weight", {channels}));
  ASSIGN_OR_RETURN(const at::Tensor bias, weights.Take(name + ".bias", {channels}));
  ASSIGN_OR_RETURN(const at::Tensor mean, weights.Take(name + ".running_mean", {channels}));
  ASSIGN_OR_RETURN(const at::Tensor variance, weights.Take(name + ".running_var", {channels}));
  if (variance.min().item<float>() < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor ", name, ".running_var holds a negative variance"));
  }
  const at::Tensor scale = weight * at::rsqrt(variance + kEpsilon);
  return BatchNorm{scale, bias - mean * scale};
}

void Activate(Activation activation, at::Tensor& x) {
  switch (activation) {
    case Activation::kGelu:
      at::gelu_(x);
      return;
    case Activation::kRelu:
      at::relu_(x);
      return;
  }
}

}  // namespace patchserve
