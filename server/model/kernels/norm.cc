#include "server/model/kernels/norm.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/rms_norm.h>

#include "server/model/kernels/norm_step.h"

namespace patchserve {
namespace {

template <typename T>
const T* DataOf(const at::Tensor& x) {
  return x.defined() ? static_cast<const T*>(x.const_data_ptr()) : nullptr;
}

template <typename T>
void RunRows(InstructionSet set, const at::Tensor& x, const at::Tensor& weight,
             const at::Tensor& bias, double epsilon, const at::Tensor& out) {
  const auto run = KERNEL_FOR(set, RunNorm, NormStep<T>);
  const int64_t dim = weight.numel();
  T* const to = static_cast<T*>(out.mutable_data_ptr());
  at::parallel_for(0, x.numel() / dim, /*grain_size=*/64, [&](int64_t begin, int64_t end) {
    run({.rows = end - begin,
         .dim = dim,
         .x = DataOf<T>(x) + begin * dim,
         .weight = DataOf<T>(weight),
         .bias = DataOf<T>(bias),
         .epsilon = static_cast<float>(epsilon),
         .out = to + begin * dim});
  });
}

}  // namespace

at::Tensor NormalizeRows(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                         double epsilon, InstructionSet set) {
  if (!x.device().is_cpu() || !x.is_contiguous() || x.size(-1) % 16 != 0) {
    if (!bias.defined()) return at::rms_norm(x, weight.sizes(), weight, epsilon);
    return at::layer_norm(x, weight.sizes(), weight, bias, epsilon);
  }
  at::Tensor out = at::empty_like(x);
  if (x.scalar_type() == at::kFloat) {
    RunRows<float>(set, x, weight, bias, epsilon, out);
  } else {
    RunRows<uint16_t>(set, x, weight, bias, epsilon, out);
  }
  return out;
}

}  // namespace patchserve
