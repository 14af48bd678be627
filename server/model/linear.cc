#include "server/model/linear.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/zeros.h>

#include <optional>
#include <string_view>
#include <vector>

#include "server/base/status.h"

namespace patchserve {
namespace {

using cuda::GemmThen;

// What LibTorch's compiler uses; it declares these in no header.
using MaybeTensor = std::optional<at::Tensor>;
using Scalars = c10::List<std::optional<at::Scalar>>;
using PackOp = at::Tensor(const at::Tensor& weight, std::optional<int64_t> rows);
using LinearOp = at::Tensor(const at::Tensor& x, const at::Tensor& packed, const MaybeTensor& bias,
                            std::string_view then, Scalars scalars,
                            std::optional<std::string_view> algorithm);
using LinearPlusOp = at::Tensor(const at::Tensor& x, const at::Tensor& other,
                                const at::Tensor& packed, const MaybeTensor& bias,
                                std::string_view then);

template <typename Op>
c10::TypedOperatorHandle<Op> FindOp(const char* name, const char* overload) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, overload).typed<Op>();
}

at::Tensor Pack(const at::Tensor& weight) {
  static const auto pack = FindOp<PackOp>("mkldnn::_reorder_linear_weight", "");
  return pack.call(weight, std::nullopt);
}

at::Tensor PackedLinear(const at::Tensor& x, const at::Tensor& packed, const at::Tensor& bias,
                        const char* then, const char* algorithm) {
  static const auto linear = FindOp<LinearOp>("mkldnn::_linear_pointwise", "");
  return linear.call(x, packed, bias.defined() ? MaybeTensor(bias) : std::nullopt, then, Scalars(),
                     algorithm);
}

// oneDNN has no bfloat16 for CPUs without AVX-512.
bool CanPack(const at::Tensor& weight) {
  if (!weight.device().is_cpu()) return false;
  static const auto can = [](at::ScalarType type) {
    try {
      Pack(at::zeros({16, 16}, type));
      return true;
    } catch (const c10::Error&) {
      return false;
    }
  };
  static const bool float32 = can(at::kFloat), bfloat16 = can(at::kBFloat16);
  return weight.scalar_type() == at::kBFloat16 ? bfloat16 : float32;
}

}  // namespace

Linear::Linear(const at::TensorOptions& target, const at::Tensor& weight, const at::Tensor& bias,
               const FusedKernels* kernels)
    : weight_(weight.to(target).contiguous()) {
  if (bias.defined()) bias_ = bias.to(target);
  if (kernels != nullptr && kernels->Takes(GemmThen::kNothing, {}, weight_)) {
    kernels_ = kernels;
    if (bias.defined()) exact_bias_ = bias.to(target.device());
    return;
  }
  packed_ = CanPack(weight_);
  if (packed_) weight_ = Pack(weight_);
}

BatchNorm Linear::Absorb(Activation activation, const BatchNorm& norm) {
  if (kernels_ == nullptr || !kernels_->Takes(GemmThen::kActivationNorm, activation, weight_)) {
    return norm;
  }
  norm_ = norm.To(weight_.options());
  exact_norm_ = norm.To(weight_.options().dtype(at::kFloat));
  return BatchNorm();
}

at::Tensor Linear::operator()(const at::Tensor& x) const {
  if (kernels_ != nullptr) return Fused(GemmThen::kNothing, {}, x, {});
  if (packed_) return PackedLinear(x, weight_, bias_, "none", "");
  return at::linear(x, weight_, bias_);
}

at::Tensor Linear::Activated(Activation activation, const at::Tensor& x) const {
  if (kernels_ != nullptr) {
    const bool normed = norm_.scale.defined();
    return Fused(normed ? GemmThen::kActivationNorm : GemmThen::kActivation, activation, x, {});
  }
  if (packed_) {
    switch (activation) {
      case Activation::kGelu:
        return PackedLinear(x, weight_, bias_, "gelu", "none");
      case Activation::kGeluTanh:
        return PackedLinear(x, weight_, bias_, "gelu", "tanh");
      case Activation::kRelu:
        return PackedLinear(x, weight_, bias_, "relu", "");
      case Activation::kSilu:
        return PackedLinear(x, weight_, bias_, "swish", "");
      case Activation::kQuickGelu:
        break;  // oneDNN has none
    }
  }
  at::Tensor y = (*this)(x);
  Activate(activation, y);
  return y;
}

at::Tensor Linear::PlusResidual(const at::Tensor& x, const at::Tensor& residual) const {
  if (kernels_ != nullptr) return Fused(GemmThen::kResidual, {}, x, residual);
  if (!packed_) return (*this)(x).add_(residual);
  static const auto linear = FindOp<LinearPlusOp>("mkldnn::_linear_pointwise", "binary");
  return linear.call(x, residual.contiguous(), weight_,
                     bias_.defined() ? MaybeTensor(bias_) : std::nullopt, "add");
}

at::Tensor Linear::Fused(GemmThen then, Activation activation, const at::Tensor& x,
                         const at::Tensor& residual) const {
  const int64_t out = weight_.size(0), in = weight_.size(1);
  const auto rows = [](const at::Tensor& tensor, int64_t length) {
    return tensor.defined() ? tensor.reshape({-1, length}).contiguous() : tensor;
  };
  const at::Tensor y = kernels_->Linear({.then = then,
                                         .activation = activation,
                                         .x = rows(x, in),
                                         .weight = weight_,
                                         .residual = rows(residual, out),
                                         .bias = bias_,
                                         .norm = norm_,
                                         .exact_bias = exact_bias_,
                                         .exact_norm = exact_norm_});
  std::vector<int64_t> shape = x.sizes().vec();
  shape.back() = out;
  return y.view(shape);
}

at::Tensor PatchEmbedding::Patches(const at::Tensor& images) const {
  const int64_t n = images.size(0), rows = images.size(1) / patch, columns = images.size(2) / patch;
  const at::Tensor pixels = images.narrow(/*dim=*/1, 0, rows * patch)
                                .narrow(/*dim=*/2, 0, columns * patch)
                                .view({n, rows, patch, columns, patch * 3})
                                .transpose(2, 3);
  const int64_t values = patch * patch * 3;
  if (padding == 0) return pixels.reshape({n, rows, columns, values});
  at::Tensor padded = at::empty({n, rows, columns, values + padding}, images.options());
  padded.narrow(-1, 0, values).unflatten(-1, {patch, patch * 3}).copy_(pixels);
  padded.narrow(-1, values, padding).zero_();
  return padded;
}

absl::StatusOr<LinearTensors> TakeLinearTensors(Weights& weights, const std::string& name,
                                                int64_t in, int64_t out, Bias bias) {
  LinearTensors tensors;
  ASSIGN_OR_RETURN(tensors.weight, weights.Take(name + ".weight", {out, in}));
  if (bias == Bias::kNone) return tensors;
  ASSIGN_OR_RETURN(tensors.bias, weights.Take(name + ".bias", {out}));
  return tensors;
}

absl::StatusOr<Linear> TakeLinear(Weights& weights, const std::string& name, int64_t in,
                                  int64_t out, Bias bias) {
  ASSIGN_OR_RETURN(const LinearTensors tensors, TakeLinearTensors(weights, name, in, out, bias));
  return Linear(weights.target(), tensors.weight, tensors.bias, weights.kernels());
}

absl::StatusOr<Linear> TakeHead(Weights& weights, const std::string& name, int64_t in,
                                int64_t classes) {
  if (classes == 0) return Linear();
  return TakeLinear(weights, name, in, classes);
}

absl::StatusOr<PatchEmbedding> TakePatchEmbedding(Weights& weights, const std::string& name,
                                                  int64_t out, int64_t patch, Bias bias) {
  ASSIGN_OR_RETURN(const at::Tensor weight, weights.Take(name + ".weight", {out, 3, patch, patch}));
  at::Tensor bias_tensor;
  if (bias == Bias::kYes) {
    ASSIGN_OR_RETURN(bias_tensor, weights.Take(name + ".bias", {out}));
  }
  const int64_t values = patch * patch * 3;
  const int64_t padding = weights.kernels() == nullptr ? 0 : (8 - values % 8) % 8;
  const at::Tensor by_pixels = at::constant_pad_nd(
      weight.permute({0, 2, 3, 1}).reshape({out, values}), /*pad=*/{0, padding});
  return PatchEmbedding{patch, padding,
                        Linear(weights.target(), by_pixels, bias_tensor, weights.kernels())};
}

}  // namespace patchserve
