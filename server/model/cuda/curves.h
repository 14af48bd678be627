// Activations, as kernels compute them: three forms, of which one has parameters. To add a form:
// Curve, WithConstant and Activated here; nothing else names them all.
#pragma once

#include <math.h>

#include <type_traits>

#include "server/model/activation.h"
#include "server/model/cuda/gpu.h"

namespace patchserve::cuda {

enum class Curve {
  kRelu,
  kGelu,     // by the error function
  kSigmoid,  // x / (1 + 2^(x * (linear + cubic * x^2)))
};

struct ActivationCurve {
  Curve curve;
  float linear, cubic;
};

// run(std::integral_constant<Curve, curve>()): of a kernel that is compiled for each.
template <typename Run>
auto WithConstant(Curve curve, const Run& run) {
  switch (curve) {
    case Curve::kRelu:
      return run(std::integral_constant<Curve, Curve::kRelu>());
    case Curve::kGelu:
      return run(std::integral_constant<Curve, Curve::kGelu>());
    case Curve::kSigmoid:
      break;
  }
  return run(std::integral_constant<Curve, Curve::kSigmoid>());
}

constexpr ActivationCurve CurveOf(Activation activation) {
  constexpr double kLog2E = 1.4426950408889634, kSqrt2OverPi = 0.7978845608028654;
  switch (activation) {
    case Activation::kRelu:
      return {Curve::kRelu, 0, 0};
    case Activation::kSilu:
      return {Curve::kSigmoid, float(-kLog2E), 0};
    case Activation::kQuickGelu:
      return {Curve::kSigmoid, float(-1.702 * kLog2E), 0};
    case Activation::kGeluTanh:  // 0.5 * (1 + tanh(z)) is the sigmoid of 2z
      return {Curve::kSigmoid, float(-2 * kSqrt2OverPi * kLog2E),
              float(-2 * kSqrt2OverPi * 0.044715 * kLog2E)};
    case Activation::kGelu:
      break;
  }
  return {Curve::kGelu, 0, 0};
}

// What isn't a number stays that; beyond 2^63, kSigmoid gives none.
template <typename Gpu, Curve kCurve>
PATCHSERVE_GPU float Activated(float x, float linear, float cubic) {
  const float positive = Gpu::NotBelowZero(x);
  if constexpr (kCurve == Curve::kRelu) return positive;
  if constexpr (kCurve == Curve::kGelu) {
    // gelu(x) = max(x, 0) - |x| * Q(|x|), with the normal distribution's tail Q = 2^p: p fitted by
    // least squares, reweighted until the greatest error of |x| * Q was least, 4.6e-7.
    const float a = fabsf(x);
    float p = -4.7330930829e-4f;
    p = p * a + 7.0845573209e-3f;
    p = p * a - 5.1827382296e-2f;
    p = p * a - 4.5999243855e-1f;
    p = p * a - 1.1507878304f;
    p = p * a - 1.0000376701f;
    return positive - a * Gpu::Exp2(p);
  }
  return x * Gpu::Reciprocal(1 + Gpu::Exp2(x * (linear + cubic * (x * x))));
}

}  // namespace patchserve::cuda
