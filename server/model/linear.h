// Linear layers, with what follows them in one step where the device can.
#pragma once

#include <cstdint>
#include <string>

#include "ATen/core/Tensor.h"
#include "absl/status/statusor.h"
#include "server/model/architecture.h"
#include "server/model/weights.h"

namespace patchserve {

// [..., in] -> [..., out]. On a CPU the weights are laid out for oneDNN once, which computes
// what follows the matrix product while its result is in the cache; else these are steps of
// ATen. Thread-safe.
class Linear {
 public:
  Linear() = default;  // isn't there
  // Computes on `target`, in its type. weight: [out, in]; bias: [out], or undefined; both
  // float32, in the CPU's memory.
  Linear(const at::TensorOptions& target, const at::Tensor& weight, const at::Tensor& bias);

  bool there() const { return weight_.defined(); }

  at::Tensor operator()(const at::Tensor& x) const;
  at::Tensor Activated(Activation activation, const at::Tensor& x) const;
  // residual: [..., out]
  at::Tensor PlusResidual(const at::Tensor& x, const at::Tensor& residual) const;

 private:
  bool packed_ = false;
  at::Tensor weight_;  // opaque if packed
  at::Tensor bias_;
};

// A convolution with a stride of its kernel's size, which is a linear layer of patches.
struct PatchEmbedding {
  int64_t patch = 0;  // pixels a side
  Linear linear;      // a patch is its rows; a pixel is its 3 colours
  // [N, H, W, 3] -> [N, H / patch, W / patch, patch * patch * 3]. Pixels that make no whole
  // patch are left out.
  at::Tensor Patches(const at::Tensor& images) const;
};

enum class Bias { kNone, kYes };

// A layer's tensors as they are in the file: float32, in the CPU's memory.
struct LinearTensors {
  at::Tensor weight;  // [out, in]
  at::Tensor bias;    // [out], or undefined
};

// Take NAME.weight and NAME.bias. Errors: as of Weights::Take.
absl::StatusOr<LinearTensors> TakeLinearTensors(Weights& weights, const std::string& name,
                                                int64_t in, int64_t out, Bias bias = Bias::kYes);
absl::StatusOr<Linear> TakeLinear(Weights& weights, const std::string& name, int64_t in,
                                  int64_t out, Bias bias = Bias::kYes);
// A classifier, which isn't there for 0 classes.
absl::StatusOr<Linear> TakeHead(Weights& weights, const std::string& name, int64_t in,
                                int64_t classes);
absl::StatusOr<PatchEmbedding> TakePatchEmbedding(Weights& weights, const std::string& name,
                                                  int64_t out, int64_t patch,
                                                  Bias bias = Bias::kYes);

// In place.
void Activate(Activation activation, at::Tensor& x);

}  // namespace patchserve
