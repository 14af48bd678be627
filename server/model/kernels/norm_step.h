// Rows of one tensor, as it is compiled for each instruction set (vector.h).
#pragma once

#include <cstdint>

#include "server/model/kernels/instruction_set.h"

namespace patchserve {

template <typename T>
struct NormStep {
  int64_t rows, dim;           // dim is a multiple of 16
  const T *x, *weight, *bias;  // no bias: an RMSNorm
  float epsilon;
  T* out;
};

DECLARE_KERNEL(RunNorm, NormStep)

}  // namespace patchserve
