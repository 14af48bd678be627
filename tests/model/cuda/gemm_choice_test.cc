#include "server/model/cuda/gemm_choice.h"

#include <gtest/gtest.h>

#include <utility>

namespace patchserve::cuda {
namespace {

constexpr GemmDevice kH100 = {.major = 9, .minor = 0};

constexpr bool Takes(int64_t m, int64_t n, int64_t k, GemmThen then = GemmThen::kNothing,
                     Activation activation = Activation::kGelu) {
  return TakesGemm({.then = then, .activation = activation, .m = m, .n = n, .k = k}, kH100);
}

TEST(CudaGemmChoiceTest, RowsMayBeOfAnyNumberButBeginAtMultiplesOf16Bytes) {
  EXPECT_TRUE(Takes(1, 8, 8));
  EXPECT_TRUE(Takes(197, 1000, 768));
  EXPECT_TRUE(Takes((int64_t{1} << 31) - 1, 8, 8));
  EXPECT_FALSE(Takes(16, 10, 16));
  EXPECT_FALSE(Takes(16, 12, 16));
  EXPECT_FALSE(Takes(16, 16, 147));  // a patch of 7 x 7 pixels
  EXPECT_FALSE(Takes(16, 16, 12));
}

TEST(CudaGemmChoiceTest, WhatIsEmptyOrTooLargeIsNotTaken) {
  EXPECT_FALSE(Takes(0, 8, 8));
  EXPECT_FALSE(Takes(8, 0, 8));
  EXPECT_FALSE(Takes(8, 8, 0));
  EXPECT_FALSE(Takes(int64_t{1} << 31, 8, 8));
  EXPECT_FALSE(Takes(8, int64_t{1} << 31, 8));
  EXPECT_FALSE(Takes(8, 8, int64_t{1} << 31));
}

TEST(CudaGemmChoiceTest, ABatchNormFollowsGeluAndReluAlone) {
  for (const auto& [name, activation] : kActivations) {
    const bool has_norm = activation == Activation::kGelu || activation == Activation::kRelu;
    EXPECT_TRUE(Takes(8, 8, 8, GemmThen::kActivation, activation));
    EXPECT_EQ(Takes(8, 8, 8, GemmThen::kActivationNorm, activation), has_norm);
  }
}

TEST(CudaGemmChoiceTest, HopperCardsAloneHaveThem) {
  const GemmShape shape = {.m = 8, .n = 8, .k = 8};
  for (const auto& [major, minor] : {std::pair(0, 0), {8, 0}, {8, 6}, {8, 9}, {10, 0}, {12, 0}}) {
    EXPECT_FALSE(TakesGemm(shape, {.major = major, .minor = minor})) << major << "." << minor;
  }
}

}  // namespace
}  // namespace patchserve::cuda
