#include "server/model/spatial_mixing.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>

#include "gmock/gmock.h"
#include "tests/model/fake_kernels.h"
#include "tests/model/write_safetensors.h"

namespace patchserve {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

constexpr int64_t kChannels = 16;

class SpatialMixingTest : public testing::Test {
 protected:
  SpatialMixingTest() { at::manual_seed(1); }

  SpatialMixing Make(const BatchNorm& before, int64_t kernel) {
    weight_ = (at::randn({kChannels, 1, kernel, kernel}) / kernel).to(at::kBFloat16).to(at::kFloat);
    return SpatialMixing(Weights({}, at::kBFloat16, &fake_.kernels()), before, weight_, bias_,
                         after_);
  }

  // In float32.
  at::Tensor Expected(Activation activation, const at::Tensor& x) const {
    const at::Tensor planes = x.permute({0, 3, 1, 2});
    at::Tensor mixed = at::conv2d(planes, weight_, bias_, 1, "same", 1, kChannels);
    Activate(activation, mixed);
    return x + mixed.permute({0, 2, 3, 1}) * after_.scale;
  }

  static float LargestError(const at::Tensor& got, const at::Tensor& expected) {
    EXPECT_EQ(got.sizes(), expected.sizes());
    return ((got.to(at::kFloat) - expected).abs() / (1 + expected.abs())).max().item<float>();
  }

  FakeKernels fake_;
  const BatchNorm after_ = {at::randn({kChannels}), at::randn({kChannels})};
  const at::Tensor bias_ = at::randn({kChannels});
  const at::Tensor input_ = at::randn({2, 5, 7, kChannels}).to(at::kBFloat16).to(at::kFloat);
  at::Tensor weight_;
};

TEST_F(SpatialMixingTest, IsOneKernel) {
  for (int64_t kernel : {3, 4, 9}) {
    const SpatialMixing mixing = Make(BatchNorm(), kernel);
    for (Activation activation : {Activation::kRelu, Activation::kGelu, Activation::kSilu}) {
      const at::Tensor got = mixing(activation, input_.to(at::kBFloat16));
      EXPECT_LT(LargestError(got, Expected(activation, input_)), 0.004);
    }
  }
  EXPECT_THAT(fake_.depthwises, SizeIs(9));
}

TEST_F(SpatialMixingTest, TheBatchNormBeforeItsKernelIsAStepOfItsOwn) {
  const BatchNorm before = {at::rand({kChannels}) + 0.5, at::randn({kChannels})};
  const SpatialMixing mixing = Make(before, 5);
  const at::Tensor got = mixing(Activation::kGelu, input_.to(at::kBFloat16));
  EXPECT_LT(LargestError(got, Expected(Activation::kGelu, before(input_))), 0.03);
  EXPECT_THAT(fake_.depthwises, SizeIs(1));
}

TEST_F(SpatialMixingTest, WhatNoKernelTakesRunsWithoutOne) {
  const BatchNorm none;
  const SpatialMixing large = Make(none, 11);
  EXPECT_LT(LargestError(large(Activation::kGelu, input_.to(at::kBFloat16)),
                         Expected(Activation::kGelu, input_)),
            0.01);
  const SpatialMixing mixing = Make(none, 5);
  fake_.takes_depthwise = false;  // not for these sides
  EXPECT_LT(LargestError(mixing(Activation::kGelu, input_.to(at::kBFloat16)),
                         Expected(Activation::kGelu, input_)),
            0.01);
  EXPECT_THAT(fake_.depthwises, IsEmpty());
}

TEST(DepthwiseLayoutTest, ImagesAreInPlanesForKernelsBeyond7x7) {
  for (int64_t kernel : {3, 5, 7}) {
    EXPECT_EQ(DepthwiseLayout(kernel), at::MemoryFormat::ChannelsLast) << kernel;
  }
  for (int64_t kernel : {8, 9, 15}) {
    EXPECT_EQ(DepthwiseLayout(kernel), at::MemoryFormat::Contiguous) << kernel;
  }
}

TEST_F(SpatialMixingTest, StepsGiveTheSameInBothLayouts) {
  for (at::MemoryFormat layout : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
    for (int64_t kernel : {4, 9}) {
      weight_ = at::randn({kChannels, 1, kernel, kernel}) / kernel;
      const DepthwiseSteps steps = {.layout = layout,
                                    .weight = weight_.contiguous(layout),
                                    .bias = bias_,
                                    .scale = after_.scale.view({1, -1, 1, 1})};
      const at::Tensor got = steps(Activation::kGelu, input_);
      EXPECT_TRUE(got.is_contiguous());
      EXPECT_LT(LargestError(got, Expected(Activation::kGelu, input_)), 1e-5);
    }
  }
}

}  // namespace
}  // namespace patchserve
