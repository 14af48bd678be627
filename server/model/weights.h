// A checkpoint's tensors by name, taken out one by one as a network is put together.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/model/safetensors.h"

namespace patchserve {

class FusedKernels;

// Used by one thread. Errors are INVALID_ARGUMENT and name the tensor.
class Weights {
 public:
  // Tensors go to the device and precision of `target` by Place. Their bytes must outlive this
  // object (not what Take returns), and no two have one name. kernels: for layers that can use
  // them; null: none.
  Weights(const std::vector<TensorView>& tensors, const at::TensorOptions& target,
          const FusedKernels* kernels = nullptr);

  // What stood before the name of every tensor, such as "module.": wrappers put it there. The
  // names here are without it.
  const std::string& prefix() const { return prefix_; }

  bool Has(const std::string& name) const { return tensors_.contains(name); }

  // The shape as the file has it. Errors: missing, another number of dimensions, or
  // an empty dimension.
  absl::StatusOr<std::vector<int64_t>> ShapeOf(const std::string& name, size_t dimensions) const;

  // A float32 copy in the CPU's memory. Errors: missing, another shape, a type other
  // than F32, F16 and BF16, or a value that is NaN or infinite.
  absl::StatusOr<at::Tensor> Take(const std::string& name, const std::vector<int64_t>& shape);

  const at::TensorOptions& target() const { return target_; }
  const FusedKernels* kernels() const { return kernels_; }

  // The tensor where and how the network wants it.
  at::Tensor Place(const at::Tensor& tensor) const { return tensor.to(target_); }

  // Errors: a tensor that was never taken: the network would not be the one that the
  // folder means. BatchNorm's num_batches_tracked (training only) may be left.
  absl::Status CheckAllTaken() const;

 private:
  at::TensorOptions target_;
  const FusedKernels* kernels_;
  std::string prefix_;
  std::map<std::string, TensorView> tensors_;
  std::set<std::string> taken_;
};

}  // namespace patchserve
