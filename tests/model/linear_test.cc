#include "server/model/linear.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

namespace patchserve {
namespace {

struct Precise {
  at::ScalarType type;
  float error;  // of a result near 1
};
constexpr Precise kTypes[] = {{at::kFloat, 3e-6}, {at::kBFloat16, 0.02}};

float LargestError(const at::Tensor& got, const at::Tensor& expected) {
  EXPECT_EQ(got.sizes(), expected.sizes());
  return ((got.to(at::kFloat) - expected).abs() / (1 + expected.abs())).max().item<float>();
}

// Values that are the same in bfloat16.
at::Tensor Random(at::IntArrayRef shape) {
  return at::randn(shape).to(at::kBFloat16).to(at::kFloat);
}

TEST(LinearTest, WhatFollowsTheProductIsWhatATensStepsGive) {
  at::manual_seed(1);
  for (const auto& [type, error] : kTypes) {
    for (const auto& [rows, in, out] : {std::tuple(1, 3, 2), {7, 48, 65}, {197, 192, 64}}) {
      const at::Tensor weight = (Random({out, in}) / 16), bias = Random({out});
      const Linear linear(type, weight, bias);
      const at::Tensor x = Random({2, rows, in}), residual = Random({2, rows, out});
      const at::Tensor product = at::linear(x, weight, bias);
      EXPECT_LT(LargestError(linear(x.to(type)), product), error);
      EXPECT_LT(
          LargestError(linear.PlusResidual(x.to(type), residual.to(type)), product + residual),
          error);
      for (const auto& [name, activation] : kActivations) {
        at::Tensor expected = product.clone();
        Activate(activation, expected);
        EXPECT_LT(LargestError(linear.Activated(activation, x.to(type)), expected), error)
            << static_cast<int>(activation);
      }
    }
  }
}

TEST(LinearTest, ALayerWithoutBiasHasNone) {
  at::manual_seed(1);
  const at::Tensor weight = Random({5, 8}), x = Random({3, 8});
  const Linear linear(at::kFloat, weight, at::Tensor());
  EXPECT_LT(LargestError(linear(x), at::linear(x, weight)), 3e-6);
}

// The residual of one token of each image lies scattered in memory.
TEST(LinearTest, AResidualMayBeAPartOfATensor) {
  at::manual_seed(1);
  const at::Tensor weight = Random({8, 8}), bias = Random({8}), x = Random({3, 1, 8});
  const at::Tensor tokens = Random({3, 4, 8}), residual = tokens.narrow(1, 0, 1);
  const Linear linear(at::kFloat, weight, bias);
  EXPECT_LT(LargestError(linear.PlusResidual(x, residual), at::linear(x, weight, bias) + residual),
            3e-6);
}

TEST(PatchEmbeddingTest, APatchIsItsRowsOfPixelsAndWhatFillsNoneIsLeftOut) {
  const at::Tensor images = at::arange(1 * 5 * 7 * 3, at::kFloat).view({1, 5, 7, 3});
  const at::Tensor patches = PatchEmbedding{.patch = 2}.Patches(images);
  EXPECT_EQ(patches.sizes(), (std::vector<int64_t>{1, 2, 3, 12}));
  const at::Tensor second_in_second_row = images[0].narrow(0, 2, 2).narrow(1, 2, 2).reshape({12});
  EXPECT_TRUE(patches[0][1][1].equal(second_in_second_row));

  const at::Tensor padded = PatchEmbedding{.patch = 2, .padding = 4}.Patches(images);
  EXPECT_TRUE(padded.narrow(-1, 0, 12).equal(patches));
  EXPECT_TRUE(padded.narrow(-1, 12, 4).equal(at::zeros({1, 2, 3, 4})));
}

}  // namespace
}  // namespace patchserve
