#include "server/model/kernels/attention_step.h"
#include "server/model/kernels/vector.h"

namespace patchserve::KERNEL_ISA {
namespace {

constexpr int kRows = kAttentionRows;

template <typename Word, typename T>
inline WordVec<Word> LoadWords(const T* from) {
  if constexpr (kNumbers<Word> == 1) {
    return Load(from);
  } else {
    WordVec<Word> pairs;
    __builtin_memcpy(&pairs, from, sizeof(pairs));
    return pairs;
  }
}

// c[:, 0:kVectors] = a * b, for kRows rows of a: [kRows, inner] * [inner, ...].
template <int kVectors, typename Word>
inline void Multiply(const Word* a, int64_t a_stride, const Word* b, int64_t b_stride,
                     int64_t inner, float* c, int64_t c_stride) {
  Vec sums[kRows][kVectors] = {};
  for (int64_t i = 0; i < inner; ++i, b += b_stride) {
    WordVec<Word> row[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) row[v] = Load(b + v * kLanes);
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
      const auto factor = Splat(a[r * a_stride + i]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sums[r][v] = AddProduct(sums[r][v], factor, row[v]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) Store(sums[r][v], c + r * c_stride + v * kLanes);
  }
}

// All `columns`, a multiple of 16, of the product.
template <typename Word>
void MultiplyAll(const Word* a, int64_t a_stride, const Word* b, int64_t b_stride, int64_t inner,
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

// Makes words of exp(scale * (score - the largest)) of a row, next to 0 beyond `tokens`, in its
// place; returns the sum. scale > 0.
template <typename Word>
inline float Exponentials(float* row, int64_t tokens, int64_t padded, float scale) {
  for (int64_t i = tokens; i < padded; ++i) row[i] = -__builtin_inff();
  Vec largest = Load(row);
  for (int64_t i = kLanes; i < padded; i += kLanes) largest = Max(largest, Load(row + i));
  const Vec shift = Splat(scale * Largest(largest));
  Vec sum = {};
  for (int64_t i = 0; i < padded; i += kLanes) {
    const Vec e = Exp(Load(row + i) * scale - shift);
    if constexpr (kNumbers<Word> == 1) {
      Store(e, row + i);
    } else {
      Store(e, reinterpret_cast<uint16_t*>(row) + i);
    }
    sum += e;
  }
  return Sum(sum);
}

// The rows of `from`, [tokens, dim], as columns of words: [dim / kNumbers, padded].
template <typename Word, typename T>
void LayOutKeys(const T* from, int64_t stride, int64_t tokens, int64_t padded, int64_t dim,
                Word* to) {
  for (int64_t t = 0; t < padded; t += kLanes) {
    for (int64_t w = 0; w < dim / kNumbers<Word>; w += kLanes) {
      WordVec<Word> rows[kLanes] = {};
      for (int i = 0; i < kLanes && t + i < tokens; ++i) {
        rows[i] = LoadWords<Word>(from + (t + i) * stride + w * kNumbers<Word>);
      }
      Transpose(rows);
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i) Store(rows[i], to + (w + i) * padded + t);
    }
  }
}

// Rows of words: one for each token, or for two, the last one with zeros where there is one left.
template <typename Word, typename T>
void LayOutValues(const T* from, int64_t stride, int64_t tokens, int64_t dim, Word* to) {
  for (int64_t t = 0; t < tokens; t += kNumbers<Word>, to += dim) {
    const T* row = from + t * stride;
    for (int64_t d = 0; d < dim; d += kLanes) {
      if constexpr (kNumbers<Word> == 1) {
        Store(Load(row + d), to + d);
      } else {
        const HalfVec second = t + 1 < tokens ? LoadHalf(row + stride + d) : HalfVec{};
        Store(Pairs(LoadHalf(row + d), second), to + d);
      }
    }
  }
}

template <typename Word, typename T>
void Run(const AttentionStep<T>& s) {
  const int64_t padded = AttentionPaddedTokens(s.tokens), words = s.dim / kNumbers<Word>;
  Word* keys = reinterpret_cast<Word*>(s.scratch);  // [words, padded]
  Word* values = keys + s.dim * padded;             // [tokens / kNumbers, dim]
  Word* queries = values + padded * s.dim;
  float* scores = reinterpret_cast<float*>(queries + kRows * s.dim);  // [kRows, padded]
  float* result = scores + kRows * padded;
  LayOutKeys(s.k, s.k_stride, s.tokens, padded, s.dim, keys);
  LayOutValues(s.v, s.v_stride, s.tokens, s.dim, values);
  for (int64_t first = 0; first < s.queries; first += kRows) {
    const int64_t rows = s.queries - first < kRows ? s.queries - first : kRows;
    for (int64_t r = 0; r < kRows; ++r) {  // the last query again, where there are no more
      const T* query = s.q + (first + (r < rows ? r : rows - 1)) * s.q_stride;
      for (int64_t w = 0; w < words; w += kLanes) {
        Store(LoadWords<Word>(query + w * kNumbers<Word>), queries + r * words + w);
      }
    }
    MultiplyAll(queries, words, keys, padded, words, padded, scores, padded);
    float sums[kRows];
    for (int r = 0; r < kRows; ++r) {
      sums[r] = Exponentials<Word>(scores + r * padded, s.tokens, padded, s.scale);
    }
    MultiplyAll(reinterpret_cast<const Word*>(scores), padded, values, s.dim,
                (s.tokens + kNumbers<Word> - 1) / kNumbers<Word>, s.dim, result, s.dim);
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

void RunAttention(const AttentionStep<float>& step) { Run<float>(step); }
void RunAttention(const AttentionStep<uint16_t>& step) {
  if constexpr (kHasPairs) {
    if (step.dim % (2 * kLanes) == 0) return Run<int32_t>(step);
  }
  Run<float>(step);
}

}  // namespace patchserve::KERNEL_ISA
