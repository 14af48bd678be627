// A linear layer and what follows it in one kernel, on a GPU: plain data, of which the library's
// kernels and their callers speak. kernels.h has the functions.
#pragma once

#include <cstdint>

#include "server/model/activation.h"

namespace patchserve::cuda {

// What becomes of v = a * b^T + bias.
enum class GemmThen {
  kNothing,         // v
  kActivation,      // activation(v)
  kActivationNorm,  // shift + scale * activation(v); for kGelu and kRelu
  kResidual,        // residual + v
};

// bfloat16 alone: float16 is LibTorch's everywhere, so that there are half as many kernels.
struct GemmShape {
  GemmThen then = GemmThen::kNothing;
  Activation activation = Activation::kGelu;
  int64_t m = 0;  // below 2^31, as the others
  int64_t n = 0;  // a multiple of 8
  int64_t k = 0;  // a multiple of 8
};

// Sums are float32, and a result is rounded once, where it is stored.
struct Gemm {
  GemmShape shape;
  // bfloat16, row after row, beginning at a multiple of 16 bytes.
  const void* a = nullptr;         // [m, k]
  const void* b = nullptr;         // [n, k]
  const void* residual = nullptr;  // [m, n], for kResidual
  void* d = nullptr;               // [m, n]; may be `residual`, and mustn't overlap the others
  // float32 [n]. The kernel may read these while the one in front of it on the stream still runs.
  const float* bias = nullptr;   // null: 0
  const float* scale = nullptr;  // for kActivationNorm
  const float* shift = nullptr;
};

}  // namespace patchserve::cuda
