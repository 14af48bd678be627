// Vectors of float32 for the kernels, which are compiled once for each instruction set
// (CMakeLists.txt): KERNEL_ISA names it and is the namespace, KERNEL_LANES is how many
// floats its registers hold. Only for *_kernel.cc. No function of the standard library is used
// there: an inline one, compiled for AVX-512, could be linked into code that must
// run without.
#pragma once

#if KERNEL_LANES == 16
#include <immintrin.h>
#endif

#include <cstdint>
#include <utility>

#include "server/model/activation.h"

namespace patchserve::KERNEL_ISA {

constexpr int kLanes = KERNEL_LANES;

typedef float Vec __attribute__((vector_size(kLanes * 4)));
typedef int32_t IntVec __attribute__((vector_size(kLanes * 4)));
typedef uint32_t UIntVec __attribute__((vector_size(kLanes * 4)));
typedef uint16_t HalfVec __attribute__((vector_size(kLanes * 2)));

// As values in memory: uint16_t is a bfloat16, the upper half of a float32.
inline Vec Load(const float* from) {
  Vec v;
  __builtin_memcpy(&v, from, sizeof(v));
  return v;
}
inline HalfVec LoadHalf(const uint16_t* from) {
  HalfVec half;
  __builtin_memcpy(&half, from, sizeof(half));
  return half;
}
inline Vec Load(const uint16_t* from) {
  return (Vec)(__builtin_convertvector(LoadHalf(from), UIntVec) << 16);
}
inline void Store(Vec v, float* to) { __builtin_memcpy(to, &v, sizeof(v)); }
inline HalfVec Rounded(Vec v) {  // to the nearest bfloat16, ties to even
#ifdef __AVX512BF16__
  return (HalfVec)_mm512_cvtneps_pbh((__m512)v);
#else
  const UIntVec bits = (UIntVec)v;
  return __builtin_convertvector((bits + 0x7fff + ((bits >> 16) & 1)) >> 16, HalfVec);
#endif
}
inline void Store(Vec v, uint16_t* to) {
  const HalfVec half = Rounded(v);
  __builtin_memcpy(to, &half, sizeof(half));
}

// The first `count` lanes; the others are 0.
template <typename T>
inline Vec Load(const T* from, int64_t count) {
  if (count >= kLanes) return Load(from);
  T all[kLanes] = {};
  for (int64_t i = 0; i < count; ++i) all[i] = from[i];
  return Load(all);
}
template <typename T>
inline void Store(Vec v, T* to, int64_t count) {
  if (count >= kLanes) return Store(v, to);
  T all[kLanes];
  Store(v, all);
  for (int64_t i = 0; i < count; ++i) to[i] = all[i];
}

inline Vec Splat(float value) { return Vec{} + value; }

// Where the CPU multiplies pairs of bfloat16 and adds the products, a lane of an IntVec is a
// pair, the first one in its lower half.
#ifdef __AVX512BF16__
constexpr bool kHasPairs = true;
inline Vec AddProduct(Vec sum, IntVec a, IntVec b) {
  return (Vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
}
#else
constexpr bool kHasPairs = false;
#endif
inline Vec AddProduct(Vec sum, Vec a, Vec b) { return sum + a * b; }
inline IntVec Splat(int32_t pair) { return IntVec{} + pair; }
inline IntVec Load(const int32_t* from) {
  IntVec v;
  __builtin_memcpy(&v, from, sizeof(v));
  return v;
}
inline void Store(IntVec v, int32_t* to) { __builtin_memcpy(to, &v, sizeof(v)); }
// What kernels multiply: a number each, float, or a pair of bfloat16, int32_t.
template <typename Word>
using WordVec = decltype(Load(static_cast<const Word*>(nullptr)));
template <typename Word>
constexpr int kNumbers = 1;  // in a word
template <>
inline constexpr int kNumbers<int32_t> = 2;

inline IntVec Pairs(HalfVec first, HalfVec second) {
  return (IntVec)(__builtin_convertvector(first, UIntVec) | __builtin_convertvector(second, UIntVec)
                                                                << 16);
}
#if KERNEL_LANES == 16  // GCC 12 makes two instructions of a < b ? a : b, and warns without maskz
inline Vec Min(Vec a, Vec b) { return (Vec)_mm512_maskz_min_ps(-1, (__m512)a, (__m512)b); }
inline Vec Max(Vec a, Vec b) { return (Vec)_mm512_maskz_max_ps(-1, (__m512)a, (__m512)b); }
#else
inline Vec Min(Vec a, Vec b) { return a < b ? a : b; }
inline Vec Max(Vec a, Vec b) { return a > b ? a : b; }
#endif

constexpr auto kAllLanes = std::make_integer_sequence<int, kLanes>();

// The lanes of the first or second half of a and b by turns.
template <typename V, int... i>
inline V Interleaved(V a, V b, int half, std::integer_sequence<int, i...>) {
  return half == 0 ? __builtin_shufflevector(a, b, (i / 2 + i % 2 * kLanes)...)
                   : __builtin_shufflevector(a, b, (i / 2 + i % 2 * kLanes + kLanes / 2)...);
}

// Rows become columns. Each round takes the highest bit of an element's place, row and column
// written one after the other, to the end.
template <typename V>
inline void Transpose(V (&rows)[kLanes]) {
#pragma GCC unroll 4
  for (int round = 1; round < kLanes; round *= 2) {
    V next[kLanes];
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) {
      next[i] = Interleaved(rows[i / 2], rows[i / 2 + kLanes / 2], i % 2, kAllLanes);
    }
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) rows[i] = next[i];
  }
}

inline float Largest(Vec v) {
#pragma GCC unroll 4
  for (int left = kLanes; left > 1; left /= 2)
    v = Max(Interleaved(v, v, 0, kAllLanes), Interleaved(v, v, 1, kAllLanes));
  return v[0];
}
inline float Sum(Vec v) {
#pragma GCC unroll 4
  for (int left = kLanes; left > 1; left /= 2)
    v = Interleaved(v, v, 0, kAllLanes) + Interleaved(v, v, 1, kAllLanes);
  return v[0];
}

// Within 2 units in the last place from -87 to 88; beyond, what it is there.
inline Vec Exp(Vec x) {
  const Vec kRound = Splat(0x1.8p23f);  // adding it leaves no bits after the point
  const Vec clamped = Min(Max(x, Splat(-87.3f)), Splat(88.0f));
  const Vec shifted = clamped * 1.44269504f + kRound;
  const Vec n = shifted - kRound;
  const Vec r = (clamped - n * 0.693359375f) + n * 2.12194440e-4f;  // ln 2, in two parts
  // Taylor's series: |r| is at most 0.35.
  Vec p = r * (1.0f / 5040) + (1.0f / 720);
  p = p * r + (1.0f / 120);
  p = p * r + (1.0f / 24);
  p = p * r + (1.0f / 6);
  p = p * r + 0.5f;
  p = p * r * r + r + 1.0f;
  const IntVec exponent = __builtin_convertvector(n, IntVec) << 23;
  return (Vec)((IntVec)p + exponent);
}

inline Vec Sigmoid(Vec x) { return 1.0f / (1.0f + Exp(-x)); }

// x * Phi(x), Phi by the error function: within 7e-7, and 4e-7 where |x| < 3. Phi(x) - 0.5 =
// x * P(x * x), P fitted to it by Chebyshev polynomials for |x| <= 5.3: beyond, Phi is 0 or 1.
inline Vec Gelu(Vec x) {
  constexpr float kEnd = 5.3f;
  constexpr float kP[] = {2.722845246e-04f, -7.589715552e-04f, 7.690057167e-04f, -1.112742309e-03f,
                          3.087986788e-03f, -5.830292453e-03f, 8.857561270e-03f, -1.319598640e-02f,
                          1.891646537e-02f, -2.529553913e-02f, 3.208092915e-02f, -3.958923810e-02f,
                          4.926408466e-02f, -6.651849623e-02f, 1.333925633e-01f};
  const Vec near = Min(Max(x, Splat(-kEnd)), Splat(kEnd));
  const Vec u = near * near * (2 / (kEnd * kEnd)) - 1.0f;
  Vec p = Splat(kP[0]);
#pragma GCC unroll 32
  for (int i = 1; i < static_cast<int>(sizeof(kP) / sizeof(float)); ++i) p = p * u + kP[i];
  return x * (near * p + 0.5f);
}

template <Activation kind>
inline Vec Activated(Vec x) {
  switch (kind) {
    case Activation::kGelu:
      return Gelu(x);
    case Activation::kGeluTanh:
      return x * Sigmoid(x * (x * x * 0.0713548163f + 1.59576912f));
    case Activation::kQuickGelu:
      return x * Sigmoid(x * 1.702f);
    case Activation::kRelu:
      return Max(x, Vec{});
    case Activation::kSilu:
      return x * Sigmoid(x);
  }
}

}  // namespace patchserve::KERNEL_ISA
