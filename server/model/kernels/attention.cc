#include "server/model/kernels/attention.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/scaled_dot_product_attention.h>

#include <cmath>

#include "server/model/kernels/attention_step.h"
#include "server/model/kernels/scratch.h"

namespace patchserve {
namespace {

template <typename T>
const T* HeadOf(const at::Tensor& x, int64_t image, int64_t head) {
  return static_cast<const T*>(x.const_data_ptr()) + image * x.stride(0) + head * x.stride(1);
}

template <typename T>
void RunHeads(InstructionSet set, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
              const at::Tensor& out) {
  const int64_t heads = q.size(1), queries = q.size(2), tokens = k.size(2), dim = q.size(3);
  const auto run = KERNEL_FOR(set, RunAttention, AttentionStep<T>);
  const int64_t scratch_floats = AttentionScratchFloats(tokens, dim);
  at::parallel_for(0, q.size(0) * heads, /*grain_size=*/1, [&](int64_t begin, int64_t end) {
    const Scratch scratch = MakeScratch(scratch_floats);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t image = i / heads, head = i % heads;
      run({.queries = queries,
           .tokens = tokens,
           .dim = dim,
           .q = HeadOf<T>(q, image, head),
           .k = HeadOf<T>(k, image, head),
           .v = HeadOf<T>(v, image, head),
           .q_stride = q.stride(2),
           .k_stride = k.stride(2),
           .v_stride = v.stride(2),
           .out =
               static_cast<T*>(out.mutable_data_ptr()) + image * queries * heads * dim + head * dim,
           .out_stride = heads * dim,
           .scale = static_cast<float>(1 / std::sqrt(static_cast<double>(dim))),
           .scratch = scratch.get()});
    }
  });
}

bool HasKernel(const at::Tensor& x) {
  return x.device().is_cpu() && x.size(3) % 16 == 0 && x.stride(3) == 1;
}

}  // namespace

at::Tensor Attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                     InstructionSet set) {
  const int64_t n = q.size(0), width = q.size(1) * q.size(3), queries = q.size(2);
  if (!HasKernel(q) || !HasKernel(k) || !HasKernel(v)) {
    return at::scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape({n, queries, width});
  }
  at::Tensor out = at::empty({n, queries, width}, q.options());
  if (q.scalar_type() == at::kFloat) {
    RunHeads<float>(set, q, k, v, out);
  } else {
    RunHeads<uint16_t>(set, q, k, v, out);
  }
  return out;
}

}  // namespace patchserve
