#include "server/model/fused_kernels.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/randn.h>

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "server/model/exceptions.h"
#include "server/model/linear.h"
#include "server/model/torch_warnings.h"
#include "tests/model/fake_kernels.h"
#include "tests/model/kept_warnings.h"
#include "tests/model/status_matchers.h"

namespace patchserve {
namespace {

using cuda::GemmThen;
using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;

// Values that are the same in bfloat16.
at::Tensor Random(at::IntArrayRef shape) {
  return at::randn(shape).to(at::kBFloat16).to(at::kFloat);
}

at::Tensor Bits16(const at::Tensor& x) { return x.to(at::kBFloat16); }

float LargestError(const at::Tensor& got, const at::Tensor& expected) {
  EXPECT_EQ(got.sizes(), expected.sizes());
  return ((got.to(at::kFloat) - expected).abs() / (1 + expected.abs())).max().item<float>();
}

class FusedKernelsTest : public testing::Test {
 protected:
  FusedKernelsTest() { at::manual_seed(1); }

  Linear MakeLinear() { return Linear(at::kBFloat16, weight_, bias_, &fake_.kernels()); }
  at::Tensor Product() const { return at::linear(x_, weight_, bias_); }

  static constexpr float kRounding = 0.004;  // 8 bits, once

  FakeKernels fake_;
  const at::Tensor weight_ = Random({16, 24}) / 4, bias_ = at::randn({16});
  const at::Tensor x_ = Random({2, 5, 24}), residual_ = Random({2, 5, 16});
};

TEST_F(FusedKernelsTest, IsOneKernelWithWhatFollows) {
  Linear linear = MakeLinear();
  EXPECT_LT(LargestError(linear(Bits16(x_)), Product()), kRounding);
  EXPECT_LT(LargestError(linear.PlusResidual(Bits16(x_), Bits16(residual_)), Product() + residual_),
            kRounding);
  for (const auto& [name, activation] : kActivations) {
    at::Tensor expected = Product();
    Activate(activation, expected);
    EXPECT_LT(LargestError(linear.Activated(activation, Bits16(x_)), expected), kRounding);
  }
  fake_.gemms.clear();
  linear.Activated(Activation::kSilu, Bits16(x_));
  EXPECT_EQ(fake_.gemms.size(), 1);
  EXPECT_EQ(fake_.gemms[0].shape.then, GemmThen::kActivation);
  EXPECT_EQ(fake_.gemms[0].shape.m, 10);
}

TEST_F(FusedKernelsTest, AbsorbsTheBatchNormAfterItsActivation) {
  const BatchNorm norm = {at::randn({16}), at::randn({16})};
  for (Activation activation : {Activation::kGelu, Activation::kRelu}) {
    Linear linear = MakeLinear();
    EXPECT_FALSE(linear.Absorb(activation, norm).scale.defined());
    at::Tensor expected = Product();
    Activate(activation, expected);
    const at::Tensor got = linear.Activated(activation, Bits16(x_));
    EXPECT_LT(LargestError(got, norm(expected)), kRounding);
    EXPECT_EQ(fake_.gemms.back().shape.then, GemmThen::kActivationNorm);
  }
}

TEST_F(FusedKernelsTest, LeavesTheBatchNormWhereNoKernelHasIt) {
  const BatchNorm norm = {at::randn({16}), at::randn({16})};
  EXPECT_TRUE(MakeLinear().Absorb(Activation::kSilu, norm).scale.equal(norm.scale));
  Linear on_cpu(at::kBFloat16, weight_, bias_);
  EXPECT_TRUE(on_cpu.Absorb(Activation::kGelu, norm).scale.equal(norm.scale));
}

TEST_F(FusedKernelsTest, AbsorbsABatchNormAlsoWhereStepsAreFaster) {
  const BatchNorm norm = {at::randn({16}), at::randn({16})};
  fake_.steps_time = 0.5;
  Linear linear = MakeLinear();
  linear.Absorb(Activation::kRelu, norm);
  at::Tensor expected = Product();
  Activate(Activation::kRelu, expected);
  EXPECT_LT(LargestError(linear.Activated(Activation::kRelu, Bits16(x_)), norm(expected)), 0.02);
}

// The residual of one token of each image lies scattered in memory, and so may the input.
TEST_F(FusedKernelsTest, TensorsMayBePartsOfOthers) {
  const at::Tensor x = x_.narrow(1, 1, 1), residual = residual_.narrow(1, 2, 1);
  const at::Tensor got =
      MakeLinear().PlusResidual(Bits16(x_).narrow(1, 1, 1), Bits16(residual_).narrow(1, 2, 1));
  EXPECT_LT(LargestError(got, at::linear(x, weight_, bias_) + residual), kRounding);
}

TEST_F(FusedKernelsTest, NeedsNoBias) {
  const Linear linear(at::kBFloat16, weight_, at::Tensor(), &fake_.kernels());
  EXPECT_LT(LargestError(linear(Bits16(x_)), at::linear(x_, weight_)), kRounding);
  EXPECT_FALSE(fake_.gemms.empty());
}

TEST_F(FusedKernelsTest, OtherTypesAndSizesRunInSteps) {
  const Linear float32(at::kFloat, weight_, bias_, &fake_.kernels());
  EXPECT_LT(LargestError(float32(x_), Product()), 1e-5);
  const at::Tensor odd = Random({10, 24}), odd_bias = Random({10});
  const Linear linear(at::kBFloat16, odd, odd_bias, &fake_.kernels());
  EXPECT_LT(LargestError(linear(Bits16(x_)), at::linear(x_, odd, odd_bias)), 0.02);
  EXPECT_THAT(fake_.gemms, IsEmpty());
}

std::vector<int> TilesOf(const std::vector<FakeKernels::Call>& calls) {
  std::vector<int> tiles;
  for (const auto& call : calls) tiles.push_back(call.tile);
  return tiles;
}

TEST_F(FusedKernelsTest, RunsByTheFastestTileShape) {
  fake_.tile_times = {3, 2, 5};
  const Linear linear = MakeLinear();
  linear(Bits16(x_));
  fake_.gemms.clear();
  linear(Bits16(x_));
  EXPECT_THAT(TilesOf(fake_.gemms), ElementsAre(1));
}

TEST_F(FusedKernelsTest, RunsInStepsWhereThoseAreTheFastest) {
  fake_.tile_times = {3, 2};
  fake_.steps_time = 1;
  const Linear linear = MakeLinear();
  linear(Bits16(x_));
  fake_.gemms.clear();
  EXPECT_LT(LargestError(linear(Bits16(x_)), Product()), 0.02);
  EXPECT_THAT(fake_.gemms, IsEmpty());
}

TEST_F(FusedKernelsTest, AShapeIsTimedOnceAndEachShapeOnItsOwn) {
  fake_.tile_times = {2, 3};
  const Linear linear = MakeLinear(), another = MakeLinear();
  linear(Bits16(x_));
  another(Bits16(x_));
  EXPECT_EQ(fake_.timings, 3);  // two tiles and the steps
  fake_.tile_times = {3, 2};
  linear(Bits16(x_.narrow(1, 0, 2)));
  EXPECT_EQ(fake_.timings, 6);
  linear.Activated(Activation::kRelu, Bits16(x_));
  EXPECT_EQ(fake_.timings, 9);
  EXPECT_EQ(fake_.gemms.back().tile, 1);
}

TEST_F(FusedKernelsTest, WhileAShapeIsTimedOthersThatAreKnownRun) {
  std::function<void()> meanwhile = [] {};
  const FusedKernels kernels(fake_.table(),
                             [&](const at::Device&, absl::FunctionRef<void()> run) -> double {
                               run();
                               std::thread(meanwhile).join();
                               return 1;
                             });
  const Linear linear(at::kBFloat16, weight_, bias_, &kernels);
  const at::Tensor x = Bits16(x_), shorter = Bits16(x_.narrow(1, 0, 2));
  linear(x);
  int ran = 0;
  meanwhile = [&] {
    linear(x);
    ++ran;
  };
  linear(shorter);
  EXPECT_EQ(ran, 2);  // once as the steps were timed, once as the tile was
}

TEST_F(FusedKernelsTest, ATileShapeThatGivesAWrongNumberIsLeftOutWithAWarning) {
  const KeptWarnings warnings;
  fake_.tile_times = {2, 1, 3};
  fake_.wrong_tile = 1;
  const Linear linear = MakeLinear();
  EXPECT_LT(LargestError(linear(Bits16(x_)), Product()), kRounding);
  EXPECT_EQ(fake_.gemms.back().tile, 0);
  EXPECT_THAT(warnings.texts(), ElementsAre(HasSubstr("GEMM kernel 1 isn't used for 10x16x24: "
                                                      "its results are wrong")));
}

TEST_F(FusedKernelsTest, ATileShapeThatIsNotStartedIsLeftOutWithAWarning) {
  const KeptWarnings warnings;
  fake_.tile_times = {2, 1};
  fake_.failing_tile = 1;
  MakeLinear()(Bits16(x_));
  EXPECT_EQ(fake_.gemms.back().tile, 0);
  EXPECT_THAT(warnings.texts(), ElementsAre(HasSubstr("GEMM kernel 1 isn't used for 10x16x24: "
                                                      "invalid argument")));
}

TEST_F(FusedKernelsTest, ANewShapeInACaptureRunsInStepsAndIsTimedLater) {
  fake_.capturing = true;
  const Linear linear = MakeLinear();
  EXPECT_LT(LargestError(linear(Bits16(x_)), Product()), 0.02);
  EXPECT_THAT(fake_.gemms, IsEmpty());
  EXPECT_EQ(fake_.timings, 0);
  fake_.capturing = false;
  linear(Bits16(x_));
  fake_.capturing = true;
  fake_.gemms.clear();
  linear(Bits16(x_));
  EXPECT_EQ(fake_.gemms.size(), 1);
}

TEST_F(FusedKernelsTest, AKernelThatIsNotStartedLaterIsAnInternalError) {
  const Linear linear = MakeLinear();
  linear(Bits16(x_));
  fake_.failing_tile = 0;
  absl::Status status;
  try {
    linear(Bits16(x_));
  } catch (...) {
    status = StatusOf(std::current_exception());
  }
  EXPECT_THAT(status, IsError(absl::StatusCode::kInternal,
                              HasSubstr("a kernel wasn't started: invalid argument")));
}

class FusedNormTest : public testing::Test {
 protected:
  FusedNormTest() { at::manual_seed(1); }

  static at::Tensor Expected(const Norm& norm, const at::Tensor& x) {
    const auto exact = [](const at::Tensor& t) { return t.defined() ? t.to(at::kFloat) : t; };
    return Norm{exact(norm.weight), exact(norm.bias), norm.epsilon}(x.to(at::kFloat));
  }

  static constexpr float kRounding = 0.004;  // 8 bits, once

  FakeKernels fake_;
  const at::Tensor x_ = Bits16(Random({2, 5, 24}) * 2 + 3);
  Norm layer_norm_ = {
      .weight = Bits16(Random({24})), .bias = Bits16(Random({24})), .kernels = &fake_.kernels()};
  Norm rms_norm_ = {.weight = Bits16(Random({24})), .epsilon = 1e-5, .kernels = &fake_.kernels()};
};

TEST_F(FusedNormTest, IsOneKernelForAllRows) {
  EXPECT_LT(LargestError(layer_norm_(x_), Expected(layer_norm_, x_)), kRounding);
  EXPECT_LT(LargestError(rms_norm_(x_), Expected(rms_norm_, x_)), kRounding);
  EXPECT_THAT(fake_.norms, ElementsAre(AllOf(Field(&cuda::RowNormShape::rows, 10),
                                             Field(&cuda::RowNormShape::dim, 24)),
                                       Field(&cuda::RowNormShape::rows, 10)));
}

TEST_F(FusedNormTest, WhatHasNoKernelRunsByLibTorch) {
  const at::Tensor apart = x_.transpose(0, 1);  // rows that don't follow each other
  EXPECT_LT(LargestError(layer_norm_(apart), Expected(layer_norm_, apart)), kRounding);
  fake_.takes_norm = false;
  EXPECT_LT(LargestError(layer_norm_(x_), Expected(layer_norm_, x_)), kRounding);
  EXPECT_THAT(fake_.norms, IsEmpty());
}

}  // namespace
}  // namespace patchserve
