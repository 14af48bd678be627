// LayerNorm and RMSNorm of rows, on a GPU: plain data, of which the library's kernel and its
// callers speak. kernels.h has the functions.
#pragma once

#include <cstdint>

#include "server/model/cuda/half_type.h"

namespace patchserve::cuda {

struct RowNormShape {
  HalfType type = HalfType::kBFloat16;
  int64_t rows = 0;  // up to 2^32
  int64_t dim = 0;   // a multiple of 8, up to 2,048
};

// Each row becomes (row - mean) / sqrt(variance + epsilon) * weight + bias; without a bias,
// row / sqrt(mean of squares + epsilon) * weight. All of it in float32; the result is rounded once.
// A row's result doesn't depend on the other rows.
struct RowNorm {
  RowNormShape shape;
  // Of `type`, 16-byte aligned.
  const void* in = nullptr;      // [rows, dim]
  void* out = nullptr;           // the same; may be `in`, and mustn't overlap it otherwise
  const void* weight = nullptr;  // [dim]
  const void* bias = nullptr;    // [dim]; null: RMSNorm
  float epsilon = 0;
};

}  // namespace patchserve::cuda
