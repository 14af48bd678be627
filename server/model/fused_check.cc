#include "server/model/fused_check.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/sin.h>
#include <ATen/ops/stack.h>

#include "absl/strings/str_format.h"
#include "server/base/status.h"
#include "server/model/exceptions.h"

namespace patchserve {
namespace {

constexpr int64_t kLargeBatch = 32;

// [2, H, W, 3], about as large as normalised pixels are.
at::Tensor Pictures(int64_t height, int64_t width) {
  const at::Tensor rows = at::arange(height).view({-1, 1, 1}) * 0.05;
  const at::Tensor columns = at::arange(width).view({1, -1, 1}) * 0.08;
  const at::Tensor waves = at::sin(rows + at::arange(3)) + at::sin(columns - at::arange(3));
  const auto generator = at::make_generator<at::CPUGeneratorImpl>(/*seed=*/1);
  return at::stack({waves, at::randn({height, width, 3}, generator, at::kFloat)});
}

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

absl::Status CheckOrThrow(
    const NetworkFunction& network,
    absl::FunctionRef<absl::StatusOr<NetworkFunction>(const at::TensorOptions& target)> in_steps,
    const at::TensorOptions& target, const Preprocessing& input) {
  const at::Tensor pictures = Pictures(input.height, input.width);
  const auto answers_in_steps = [&](const at::TensorOptions& as) -> absl::StatusOr<at::Tensor> {
    ASSIGN_OR_RETURN(const NetworkFunction steps, in_steps(as));
    return Answers(steps, pictures.to(as));
  };
  ASSIGN_OR_RETURN(const at::Tensor exact, answers_in_steps(target.dtype(at::kFloat)));
  ASSIGN_OR_RETURN(const at::Tensor rounded, answers_in_steps(target));
  const double allowed = 2 * Error(rounded, exact) + 1.0 / 256;
  for (const int64_t copies : {int64_t{1}, kLargeBatch / 2}) {
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

absl::Status CheckFused(
    const NetworkFunction& network,
    absl::FunctionRef<absl::StatusOr<NetworkFunction>(const at::TensorOptions& target)> in_steps,
    const at::TensorOptions& target, const Preprocessing& input) {
  try {
    return CheckOrThrow(network, in_steps, target, input);
  } catch (...) {
    return StatusOf(std::current_exception());
  }
}

}  // namespace patchserve
