// LayerNorm and RMSNorm; on a CPU by a kernel of our own.
#pragma once

#include "ATen/core/Tensor.h"
#include "server/model/kernels/instruction_set.h"

namespace patchserve {

// Over the last dimension of x: (x - mean) / sqrt(variance + epsilon) * weight + bias, or without
// a bias x / sqrt(mean of squares + epsilon) * weight. weight, bias: [dim], of x's type, or bias
// undefined. A row's result doesn't depend on the others on a CPU. Thread-safe. `set`: not better
// than BestInstructionSet().
at::Tensor NormalizeRows(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                         double epsilon, InstructionSet set = BestInstructionSet());

}  // namespace patchserve
