// The norms and activations that networks are put together from. Linear layers are in linear.h.
#pragma once

#include <cstdint>
#include <string>

#include "ATen/core/Tensor.h"
#include "absl/status/statusor.h"
#include "server/model/activation.h"
#include "server/model/weights.h"

namespace patchserve {

class FusedKernels;  // fused_kernels.h

// A LayerNorm, or an RMSNorm if it has no bias. Without a weight it isn't there: it
// gives x itself.
struct Norm {
  at::Tensor weight;  // [dim]
  at::Tensor bias;
  double epsilon = 1e-6;
  const FusedKernels* kernels = nullptr;             // null: none; must outlive this object
  at::Tensor operator()(const at::Tensor& x) const;  // over the last dimension
};

// BatchNorm in evaluation is scale * x + shift, a number each a channel. Without a scale it isn't
// there: it gives x itself.
struct BatchNorm {
  at::Tensor scale;  // [channels]
  at::Tensor shift;
  at::Tensor operator()(const at::Tensor& x) const;  // of the last dimension
  BatchNorm To(const at::TensorOptions& target) const;
};

// In place.
void Activate(Activation activation, at::Tensor& x);

enum class NormKind { kLayer, kRms };

// Take NAME.weight, NAME.bias and so on. Errors: as of Weights::Take; for a BatchNorm
// also a running_var below 0. The BatchNorm is float32, in the CPU's memory.
absl::StatusOr<Norm> TakeNorm(Weights& weights, const std::string& name, int64_t dim,
                              NormKind kind = NormKind::kLayer, double epsilon = 1e-6);
absl::StatusOr<BatchNorm> TakeBatchNorm(Weights& weights, const std::string& name,
                                        int64_t channels);

}  // namespace patchserve
