// Vectors of float32 for the kernels, which are compiled once for each instruction set
// (CMakeLists.txt): KERNEL_ISA names it and is the namespace, KERNEL_LANES is how many
// floats its registers hold. Only for *_kernel.cc. Nothing of the standard library is used
// there: an inline function of it, compiled for AVX-512, could be linked into code that must
// run without.
#pragma once

#include <cstdint>

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
inline Vec Load(const uint16_t* from) {
  HalfVec half;
  __builtin_memcpy(&half, from, sizeof(half));
  return (Vec)(__builtin_convertvector(half, UIntVec) << 16);
}
inline void Store(Vec v, float* to) { __builtin_memcpy(to, &v, sizeof(v)); }
inline void Store(Vec v, uint16_t* to) {  // to the nearest, ties to even
  const UIntVec bits = (UIntVec)v;
  const HalfVec half = __builtin_convertvector((bits + 0x7fff + ((bits >> 16) & 1)) >> 16, HalfVec);
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
inline Vec Min(Vec a, Vec b) { return a < b ? a : b; }
inline Vec Max(Vec a, Vec b) { return a > b ? a : b; }

// Within 2 units in the last place; 0 below -87.
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
  const Vec power = (Vec)((IntVec)p + exponent);
  return x < Splat(-87.3f) ? Vec{} : power;
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
