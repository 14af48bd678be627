// The layers that networks are put together from: checked weights and, where it is
// more than one call of ATen, the step itself.
#pragma once

#include <cstdint>
#include <string>

#include "ATen/core/Tensor.h"
#include "absl/status/statusor.h"
#include "server/model/architecture.h"
#include "server/model/weights.h"

namespace patchserve {

struct Linear {
  at::Tensor weight;                                 // [out, in]
  at::Tensor bias;                                   // [out]
  at::Tensor operator()(const at::Tensor& x) const;  // [..., in] -> [..., out]
};

struct LayerNorm {
  at::Tensor weight;  // [dim]
  at::Tensor bias;
  at::Tensor operator()(const at::Tensor& x) const;  // over the last dimension, eps 1e-6
};

struct Convolution {
  at::Tensor weight;  // [out, in / groups, kernel, kernel], channels last in memory
  at::Tensor bias;    // [out]
};

// BatchNorm in evaluation is scale * x + shift, a number each a channel. float32 on the CPU.
struct BatchNorm {
  at::Tensor scale;  // [channels]
  at::Tensor shift;
};

// Take NAME.weight, NAME.bias and so on. Errors: as of Weights::Take; for a BatchNorm
// also a running_var below 0.
absl::StatusOr<Linear> TakeLinear(Weights& weights, const std::string& name, int64_t in,
                                  int64_t out);
absl::StatusOr<LayerNorm> TakeLayerNorm(Weights& weights, const std::string& name, int64_t dim);
absl::StatusOr<Convolution> TakeConvolution(Weights& weights, const std::string& name, int64_t in,
                                            int64_t out, int64_t kernel);
absl::StatusOr<BatchNorm> TakeBatchNorm(Weights& weights, const std::string& name,
                                        int64_t channels);

// In place.
void Activate(Activation activation, at::Tensor& x);

}  // namespace patchserve
