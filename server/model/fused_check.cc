#include "server/model/fused_check.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/randn.h>

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "server/base/status.h"
#include "server/model/exceptions.h"
#include "server/model/normalization.h"

namespace patchserve {
namespace {

constexpr int64_t kLargeBatch = 32;

// Logits and embeddings: [N, values], float32 on the CPU.
at::Tensor Answers(const NetworkFunction& network, const at::Tensor& images) {
  const NetworkOutput output = network(images);
  const auto values = [](const at::Tensor& tensor) { return tensor.to(at::kCPU, at::kFloat); };
  if (!output.logits.defined()) return values(output.embedding);
  return at::cat({values(output.logits), values(output.embedding)}, /*dim=*/1);
}

double Error(const at::Tensor& answers, const at::Tensor& exact) {
  return ((answers - exact).norm() / exact.norm()).item<double>();
}

// Throws as networks do. `steps`: empty; set once the network in steps for `target` is there.
absl::Status Check(const NetworkFunction& network, MakeInSteps in_steps,
                   const at::TensorOptions& target, const at::Tensor& pictures,
                   NetworkFunction& steps) {
  ASSIGN_OR_RETURN(NetworkFunction in_float32, in_steps(target.dtype(at::kFloat)));
  const at::Tensor exact = Answers(in_float32, pictures.to(target.device()));
  in_float32 = nullptr;
  ASSIGN_OR_RETURN(steps, in_steps(target));
  const double allowed = 2 * Error(Answers(steps, pictures.to(target)), exact) + 1.0 / 256;
  for (const int64_t copies : {int64_t{1}, kLargeBatch / pictures.size(0)}) {
    const at::Tensor images = pictures.to(target).repeat({copies, 1, 1, 1});
    const double error = Error(Answers(network, images), exact.repeat({copies, 1}));
    if (!(error <= allowed)) {
      return absl::InternalError(
          absl::StrFormat("a batch of %d is off by %.2g of its values, where %.2g is allowed",
                          images.size(0), error, allowed));
    }
  }
  return absl::OkStatus();
}

}  // namespace

at::Tensor CheckPictures(const uint8_t* photo, const Preprocessing& input) {
  const at::Tensor pixels =
      at::from_blob(const_cast<uint8_t*>(photo), {1, input.height, input.width, 3}, at::kByte);
  const at::Tensor normalised = Normalization(input, at::kFloat)(pixels);
  const auto generator = at::make_generator<at::CPUGeneratorImpl>(/*seed=*/1);
  return at::cat({normalised, at::randn(normalised.sizes(), generator, at::kFloat)});
}

absl::StatusOr<NetworkFunction> FusedIfRight(const NetworkFunction& network, MakeInSteps in_steps,
                                             const at::TensorOptions& target,
                                             const at::Tensor& pictures, const std::string& name) {
  NetworkFunction steps;
  absl::Status checked;
  try {
    checked = Check(network, in_steps, target, pictures, steps);
  } catch (...) {
    checked = StatusOf(std::current_exception());
  }
  if (checked.ok()) return network;
  if (absl::IsUnavailable(checked)) return checked;
  TORCH_WARN(name, ": served without our own kernels: ", checked.ToString());
  if (steps != nullptr) return steps;
  return in_steps(target);
}

}  // namespace patchserve
