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
  at::Tensor bias;                                   // [out], or undefined
  at::Tensor operator()(const at::Tensor& x) const;  // [..., in] -> [..., out]
};

// A LayerNorm, or an RMSNorm if it has no bias. Without a weight it isn't there: it
// gives x itself.
struct Norm {
  at::Tensor weight;  // [dim]
  at::Tensor bias;
  double epsilon = 1e-6;
  at::Tensor operator()(const at::Tensor& x) const;  // over the last dimension
};

struct Convolution {
  at::Tensor weight;  // [out, in / groups, kernel, kernel], channels last in memory
  at::Tensor bias;    // [out], or undefined
};

// BatchNorm in evaluation is scale * x + shift, a number each a channel. float32 on the CPU.
struct BatchNorm {
  at::Tensor scale;  // [channels]
  at::Tensor shift;
};

enum class Bias { kNone, kYes };
enum class NormKind { kLayer, kRms };

// Take NAME.weight, NAME.bias and so on. Errors: as of Weights::Take; for a BatchNorm
// also a running_var below 0.
absl::StatusOr<Linear> TakeLinear(Weights& weights, const std::string& name, int64_t in,
                                  int64_t out, Bias bias = Bias::kYes);
absl::StatusOr<Norm> TakeNorm(Weights& weights, const std::string& name, int64_t dim,
                              NormKind kind = NormKind::kLayer, double epsilon = 1e-6);
absl::StatusOr<Convolution> TakeConvolution(Weights& weights, const std::string& name, int64_t in,
                                            int64_t out, int64_t kernel, Bias bias = Bias::kYes);
absl::StatusOr<BatchNorm> TakeBatchNorm(Weights& weights, const std::string& name,
                                        int64_t channels);

// In place.
void Activate(Activation activation, at::Tensor& x);

}  // namespace patchserve
