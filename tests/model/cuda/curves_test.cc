// The kernels' activations, with exact powers and quotients, beside float64.
#include "server/model/cuda/curves.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/model/cuda/emulated_gpu.h"
#include "tests/model/cuda/reference.h"

namespace patchserve::cuda {
namespace {

float OnGpu(Activation activation, float x) {
  const ActivationCurve as = CurveOf(activation);
  return WithConstant(as.curve, [&](auto curve) {
    return Activated<EmulatedGpu, curve()>(x, as.linear, as.cubic);
  });
}

// bfloat16 keeps 8 bits of a result, float16 11: these errors are far below both.
TEST(CudaCurvesTest, EachActivationIsWhatFloat64GivesEverywhere) {
  for (const auto& [name, activation] : kActivations) {
    for (float x = -40; x <= 40; x += 1.0f / 256) {
      const double expected = Activated(activation, double{x});
      ASSERT_NEAR(OnGpu(activation, x), expected, 6e-7 + 3e-6 * std::fabs(expected))
          << "activation " << static_cast<int>(activation) << " of " << x;
    }
  }
}

TEST(CudaCurvesTest, FarFromZeroAnActivationIsItsArgumentOrZero) {
  for (const auto& [name, activation] : kActivations) {
    for (float x : {100.0f, 3e4f, 1e12f, 1e19f}) {
      EXPECT_EQ(OnGpu(activation, x), x) << static_cast<int>(activation);
      EXPECT_EQ(OnGpu(activation, -x), 0) << static_cast<int>(activation);
    }
  }
}

TEST(CudaCurvesTest, WhatIsNoNumberStaysNone) {
  for (const auto& [name, activation] : kActivations) {
    EXPECT_TRUE(std::isnan(OnGpu(activation, std::numeric_limits<float>::quiet_NaN())))
        << static_cast<int>(activation);
  }
}

}  // namespace
}  // namespace patchserve::cuda
