#include "server/model/kernels/attention_step.h"
#include "server/model/kernels/vector.h"

namespace patchserve::KERNEL_ISA {
namespace {

constexpr int kRows = kAttentionRows;

// c[:, 0:kVectors] = a * b, for kRows rows of a: [kRows, inner] * [inner, ...].
template <int kVectors>
inline void Multiply(const float* a, int64_t a_stride, const float* b, int64_t b_stride,
                     int64_t inner, float* c, int64_t c_stride) {
  Vec sums[kRows][kVectors] = {};
  for (int64_t i = 0; i < inner; ++i, b += b_stride) {
    Vec row[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) row[v] = Load(b + v * kLanes);
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
      const Vec factor = Splat(a[r * a_stride + i]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sums[r][v] += factor * row[v];
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) Store(sums[r][v], c + r * c_stride + v * kLanes);
  }
}

// All `columns`, a multiple of 16, of the product.
void MultiplyAll(const float* a, int64_t a_stride, const float* b, int64_t b_stride, int64_t inner,
                 int64_t columns, float* c, int64_t c_stride) {
  constexpr int kVectors = kLanes == 16 ? 4 : 2;  // as many as there are registers for
  int64_t at = 0;
  for (; at + kVectors * kLanes <= columns; at += kVectors * kLanes) {
    Multiply<kVectors>(a, a_stride, b + at, b_stride, inner, c + at, c_stride);
  }
  for (; at < columns; at += kLanes) {
    Multiply<1>(a, a_stride, b + at, b_stride, inner, c + at, c_stride);
  }
}

inline float Largest(Vec v) {
  float largest = v[0];
  for (int i = 1; i < kLanes; ++i) largest = v[i] > largest ? v[i] : largest;
  return largest;
}

inline float Sum(Vec v) {
  float sum = 0;
  for (int i = 0; i < kLanes; ++i) sum += v[i];
  return sum;
}

// Makes exp(score - the largest) of a row, 0 beyond `tokens`; returns their sum.
inline float Exponentials(float* row, int64_t tokens, int64_t padded) {
  for (int64_t i = tokens; i < padded; ++i) row[i] = -__builtin_inff();
  Vec largest = Load(row);
  for (int64_t i = kLanes; i < padded; i += kLanes) largest = Max(largest, Load(row + i));
  const Vec shift = Splat(Largest(largest));
  Vec sum = {};
  for (int64_t i = 0; i < padded; i += kLanes) {
    const Vec e = Exp(Load(row + i) - shift);
    Store(e, row + i);
    sum += e;
  }
  return Sum(sum);
}

template <typename T>
void LoadRow(const T* from, int64_t count, Vec scale, float* to) {
  for (int64_t i = 0; i < count; i += kLanes) Store(Load(from + i) * scale, to + i);
}

// The rows of `from`, [tokens, dim], as columns: [dim, padded].
template <typename T>
void Transpose(const T* from, int64_t stride, int64_t tokens, int64_t padded, int64_t dim,
               float* to, float* row) {
  for (int64_t t = 0; t < padded; ++t) {
    if (t < tokens) LoadRow(from + t * stride, dim, Splat(1), row);
    for (int64_t d = 0; d < dim; ++d) to[d * padded + t] = t < tokens ? row[d] : 0.0f;
  }
}

template <typename T>
void Run(const AttentionStep<T>& s) {
  const int64_t padded = AttentionPaddedTokens(s.tokens);
  float* keys = s.scratch;                // [dim, padded]
  float* values = keys + s.dim * padded;  // [tokens, dim]
  float* queries = values + padded * s.dim;
  float* scores = queries + kRows * s.dim;  // [kRows, padded]
  float* result = scores + kRows * padded;
  Transpose(s.k, s.k_stride, s.tokens, padded, s.dim, keys, queries);
  for (int64_t t = 0; t < s.tokens; ++t) {
    LoadRow(s.v + t * s.v_stride, s.dim, Splat(1), values + t * s.dim);
  }
  for (int64_t first = 0; first < s.queries; first += kRows) {
    const int64_t rows = s.queries - first < kRows ? s.queries - first : kRows;
    for (int64_t r = 0; r < kRows; ++r) {  // the last query again, where there are no more
      const int64_t query = first + (r < rows ? r : rows - 1);
      LoadRow(s.q + query * s.q_stride, s.dim, Splat(s.scale), queries + r * s.dim);
    }
    MultiplyAll(queries, s.dim, keys, padded, s.dim, padded, scores, padded);
    float sums[kRows];
    for (int r = 0; r < kRows; ++r) {
      sums[r] = Exponentials(scores + r * padded, s.tokens, padded);
    }
    MultiplyAll(scores, padded, values, s.dim, s.tokens, s.dim, result, s.dim);
    for (int64_t r = 0; r < rows; ++r) {
      const Vec scale = Splat(1 / sums[r]);
      T* out = s.out + (first + r) * s.out_stride;
      for (int64_t d = 0; d < s.dim; d += kLanes) {
        Store(Load(result + r * s.dim + d) * scale, out + d);
      }
    }
  }
}

}  // namespace

void RunAttention(const AttentionStep<float>& step) { Run(step); }
void RunAttention(const AttentionStep<uint16_t>& step) { Run(step); }

}  // namespace patchserve::KERNEL_ISA
