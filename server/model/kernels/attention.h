// Softmax attention; on a CPU by a kernel of our own.
#pragma once

#include "ATen/core/Tensor.h"
#include "server/model/kernels/instruction_set.h"

namespace patchserve {

// softmax(q * k^T / sqrt(d)) * v for each head, the heads side by side: q [N, heads, Q, d],
// k and v [N, heads, T, d], in any order in memory -> [N, Q, heads * d]. An image's result
// doesn't depend on what else is in its batch on a CPU. Thread-safe. `set`: not better than
// BestInstructionSet().
at::Tensor Attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                     InstructionSet set = BestInstructionSet());

}  // namespace patchserve
