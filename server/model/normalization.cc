#include "server/model/normalization.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>

namespace patchserve {
namespace {

at::Tensor PerColor(const std::array<float, 3>& values, const at::Device& device) {
  return at::tensor(at::ArrayRef<float>(values), at::kFloat).to(device);
}

template <typename Value>
void LookUp(const uint8_t* pixels, int64_t count, const Value* table, Value* to) {
  for (int64_t i = 0; i < count; ++i, pixels += 3, to += 3) {
    for (int color = 0; color < 3; ++color) to[color] = table[3 * pixels[color] + color];
  }
}

}  // namespace

Normalization::Normalization(const Preprocessing& preprocessing, const at::TensorOptions& target)
    : target_(target),
      levels_(at::full({1}, 255.0f, target.dtype(at::kFloat))),
      mean_(PerColor(preprocessing.mean, target.device())),
      std_(PerColor(preprocessing.std, target.device())) {
  if (!target.device().is_cpu()) return;
  table_ = InSteps(at::arange(256, at::kByte).view({256, 1}).expand({256, 3}));
}

at::Tensor Normalization::operator()(const at::Tensor& batch) const {
  if (!table_.defined()) return InSteps(batch);
  at::Tensor normalized = at::empty(batch.sizes(), target_);
  const auto look_up = [&](const auto* table, auto* to) {
    LookUp(batch.const_data_ptr<uint8_t>(), batch.numel() / 3, table, to);
  };
  if (target_.dtype() == at::kFloat) {
    look_up(table_.const_data_ptr<float>(), normalized.mutable_data_ptr<float>());
  } else {
    look_up(static_cast<const uint16_t*>(table_.const_data_ptr()),
            static_cast<uint16_t*>(normalized.mutable_data_ptr()));
  }
  return normalized;
}

at::Tensor Normalization::InSteps(const at::Tensor& batch) const {
  return batch.to(at::kFloat).div_(levels_).sub_(mean_).div_(std_).to(target_.dtype());
}

}  // namespace patchserve
