#include "server/model/weights.h"

#include <ATen/ops/aminmax.h>
#include <ATen/ops/empty.h>

#include <cmath>
#include <cstring>
#include <optional>
#include <tuple>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace patchserve {
namespace {

std::string ShapeText(const std::vector<int64_t>& shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

absl::Status Missing(const std::string& name) {
  return absl::InvalidArgumentError(absl::StrCat("tensor ", name, " is missing"));
}

std::optional<at::ScalarType> ScalarTypeOf(const std::string& dtype) {
  if (dtype == "F32") return at::kFloat;
  if (dtype == "F16") return at::kHalf;
  if (dtype == "BF16") return at::kBFloat16;
  return std::nullopt;
}

// The first components that all names share, each with its dot: a network's own names share
// none. One tensor alone shares nothing.
std::string CommonPrefix(const std::vector<TensorView>& tensors) {
  if (tensors.size() < 2) return "";
  std::string prefix;
  while (true) {
    const std::string& first = tensors[0].name;
    const size_t dot = first.find('.', prefix.size());
    if (dot == std::string::npos) return prefix;
    const std::string longer = first.substr(0, dot + 1);
    for (const TensorView& tensor : tensors) {
      if (!absl::StartsWith(tensor.name, longer)) return prefix;
    }
    prefix = longer;
  }
}

bool AllFinite(const at::Tensor& tensor) {
  const auto [low, high] = at::aminmax(tensor);  // NaN if there is one
  return std::isfinite(low.item<float>()) && std::isfinite(high.item<float>());
}

}  // namespace

Weights::Weights(const std::vector<TensorView>& tensors, const at::TensorOptions& target,
                 const FusedKernels* kernels)
    : target_(target), kernels_(kernels), prefix_(CommonPrefix(tensors)) {
  for (const TensorView& tensor : tensors) {
    tensors_.emplace(tensor.name.substr(prefix_.size()), tensor);
  }
}

absl::StatusOr<std::vector<int64_t>> Weights::ShapeOf(const std::string& name,
                                                      size_t dimensions) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) return Missing(name);
  const std::vector<int64_t>& shape = found->second.shape;
  if (shape.size() != dimensions || found->second.bytes.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("tensor ", name, " has shape ", ShapeText(shape),
                                                   ", expected ", dimensions,
                                                   " dimensions, none of them empty"));
  }
  return shape;
}

absl::StatusOr<at::Tensor> Weights::Take(const std::string& name,
                                         const std::vector<int64_t>& shape) {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) return Missing(name);
  const TensorView& view = found->second;
  if (view.shape != shape) {
    return absl::InvalidArgumentError(absl::StrCat(
        "tensor ", name, " has shape ", ShapeText(view.shape), ", expected ", ShapeText(shape)));
  }
  const std::optional<at::ScalarType> type = ScalarTypeOf(view.dtype);
  if (!type) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor ", name, " is ", view.dtype, ", expected F32, F16 or BF16"));
  }
  at::Tensor tensor = at::empty(shape, *type);
  std::memcpy(tensor.mutable_data_ptr(), view.bytes.data(), view.bytes.size());
  tensor = tensor.to(at::kFloat);
  if (!AllFinite(tensor)) {
    return absl::InvalidArgumentError(absl::StrCat("tensor ", name, " holds NaN or infinity"));
  }
  taken_.insert(name);
  return tensor;
}

absl::Status Weights::CheckAllTaken() const {
  for (const auto& [name, tensor] : tensors_) {
    if (!taken_.contains(name) && !absl::EndsWith(name, ".num_batches_tracked")) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor ", name, " ", ShapeText(tensor.shape),
                       " has no place in this architecture: is it one that isn't supported?"));
    }
  }
  return absl::OkStatus();
}

}  // namespace patchserve
