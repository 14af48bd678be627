#include "server/model/layers.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addcmul.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/silu.h>

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/status.h"
#include "server/model/fused_kernels.h"
#include "server/model/kernels/norm.h"

namespace patchserve {
namespace {

absl::StatusOr<at::Tensor> TakePlaced(Weights& weights, const std::string& name,
                                      const std::vector<int64_t>& shape) {
  ASSIGN_OR_RETURN(const at::Tensor tensor, weights.Take(name, shape));
  return weights.Place(tensor);
}

}  // namespace

at::Tensor Norm::operator()(const at::Tensor& x) const {
  if (!weight.defined()) return x;
  if (kernels != nullptr) {
    if (std::optional<at::Tensor> rows = kernels->Normalized(*this, x)) return *std::move(rows);
  }
  return NormalizeRows(x, weight, bias, epsilon);
}

at::Tensor BatchNorm::operator()(const at::Tensor& x) const {
  return scale.defined() ? at::addcmul(shift, x, scale) : x;
}

BatchNorm BatchNorm::To(const at::TensorOptions& target) const {
  return scale.defined() ? BatchNorm{scale.to(target), shift.to(target)} : BatchNorm();
}

absl::StatusOr<Norm> TakeNorm(Weights& weights, const std::string& name, int64_t dim, NormKind kind,
                              double epsilon) {
  Norm norm{.epsilon = epsilon, .kernels = weights.kernels()};
  ASSIGN_OR_RETURN(norm.weight, TakePlaced(weights, name + ".weight", {dim}));
  if (kind == NormKind::kRms) return norm;
  ASSIGN_OR_RETURN(norm.bias, TakePlaced(weights, name + ".bias", {dim}));
  return norm;
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
    case Activation::kGeluTanh:
      at::gelu_(x, "tanh");
      return;
    case Activation::kQuickGelu:
      x.mul_(at::sigmoid(x * 1.702));
      return;
    case Activation::kRelu:
      at::relu_(x);
      return;
    case Activation::kSilu:
      at::silu_(x);
      return;
  }
}

}  // namespace patchserve
