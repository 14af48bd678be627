#include "server/model/normalization.h"

#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>

namespace patchserve {
namespace {

at::Tensor PerColor(const std::array<float, 3>& values, const at::Device& device) {
  return at::tensor(at::ArrayRef<float>(values), at::kFloat).view({1, 3, 1, 1}).to(device);
}

}  // namespace

Normalization::Normalization(const Preprocessing& preprocessing, const at::TensorOptions& target)
    : target_(target),
      levels_(at::full({1}, 255.0f, target.dtype(at::kFloat))),
      mean_(PerColor(preprocessing.mean, target.device())),
      std_(PerColor(preprocessing.std, target.device())) {}

at::Tensor Normalization::operator()(const at::Tensor& batch) const {
  return batch.permute({0, 3, 1, 2})
      .to(at::kFloat)
      .div_(levels_)
      .sub_(mean_)
      .div_(std_)
      .to(target_.dtype());
}

}  // namespace patchserve
