// One head of one image, as it is compiled for each instruction set (vector.h).
#pragma once

#include <cstdint>

#include "server/model/kernels/instruction_set.h"

namespace patchserve {

template <typename T>
struct AttentionStep {
  int64_t queries, tokens, dim;          // dim is a multiple of 16
  const T *q, *k, *v;                    // a row is dim values, one after the other
  int64_t q_stride, k_stride, v_stride;  // from row to row
  T* out;
  int64_t out_stride;
  float scale;
  float* scratch;  // AttentionScratchFloats, at a cache line's start
};

constexpr int64_t kAttentionRows = 6;  // queries that are computed together

constexpr int64_t AttentionPaddedTokens(int64_t tokens) { return (tokens + 15) / 16 * 16; }

constexpr int64_t AttentionScratchFloats(int64_t tokens, int64_t dim) {
  const int64_t padded = AttentionPaddedTokens(tokens);
  return 2 * padded * dim + kAttentionRows * (padded + 2 * dim);
}

DECLARE_KERNEL(RunAttention, AttentionStep)

}  // namespace patchserve
