// The depthwise kernel on an emulated GPU, against float64.
#include <gtest/gtest.h>

#include <vector>

#include "tests/model/cuda/depthwise_case.h"
#include "tests/model/cuda/reference.h"

namespace patchserve::cuda {
namespace {

class CudaDepthwiseKernelTest : public testing::TestWithParam<DepthwiseCase> {};

TEST_P(CudaDepthwiseKernelTest, ComputesWhatFloat64Does) {
  const DepthwiseLayer layer(GetParam());
  layer.ExpectClose(layer.RunEmulated(/*in_place=*/false));
}

std::vector<DepthwiseCase> EachKernelActivationAndType() {
  std::vector<DepthwiseCase> cases;
  for (int64_t kernel = kLeastKernel; kernel <= kLargestKernel; ++kernel) {
    for (int groups : {kSmallBlockGroups, kLargeBlockGroups}) {
      for (HalfType type : {HalfType::kBFloat16, HalfType::kFloat16}) {
        for (const auto& [name, activation] : kActivations) {
          cases.push_back({kernel, 1, 17, 9, 24, activation, type, groups});
        }
      }
    }
  }
  return cases;
}
INSTANTIATE_TEST_SUITE_P(EachKernelActivationAndType, CudaDepthwiseKernelTest,
                         testing::ValuesIn(EachKernelActivationAndType()));

// Sides below, at and beyond a tile's; channels that fill no block, one, and some and a rest; all
// orders of the threads. Large blocks have room for four tiles.
std::vector<DepthwiseCase> EachShape() {
  std::vector<DepthwiseCase> cases;
  const auto add = [&](DepthwiseCase c) {
    for (int groups : {kSmallBlockGroups, kLargeBlockGroups}) {
      c.groups = groups;
      if (!HasRoom(c, groups)) continue;
      for (ThreadOrder order :
           {ThreadOrder::kForward, ThreadOrder::kReverse, ThreadOrder::kRandom}) {
        c.order = order;
        cases.push_back(c);
      }
    }
  };
  add({9, 1, 1, 1, 8});
  add({8, 3, 7, 5, 72});
  add({9, 3, 16, 16, 64});
  add({7, 1, 32, 32, 24});
  add({9, 1, 33, 17, 8});
  add({4, 1, 13, 40, 24});
  add({9, 1, 16, 64, 8});
  add({5, 1, 64, 5, 8});
  add({9, 1, 64, 64, 8});
  return cases;
}
INSTANTIATE_TEST_SUITE_P(EachShape, CudaDepthwiseKernelTest, testing::ValuesIn(EachShape()));
INSTANTIATE_TEST_SUITE_P(AWholeLayer, CudaDepthwiseKernelTest,
                         testing::Values(DepthwiseCase{7, 1, 16, 16, 768, Activation::kRelu}));

// A case for a size; all else changes from one to the next.
DepthwiseCase CaseOf(int64_t kernel, int64_t height, int64_t width) {
  const int64_t i = height + 3 * width + kernel;
  const bool is_small = height * width < 500;
  DepthwiseCase c = {.kernel = kernel,
                     .images = is_small ? 1 + i % 3 : 1,
                     .height = height,
                     .width = width,
                     .channels = is_small ? 8 * (1 + i % 6) : 8,
                     .activation = kActivations[i % std::size(kActivations)].value,
                     .type = i % 3 == 0 ? HalfType::kFloat16 : HalfType::kBFloat16,
                     .groups = i % 4 < 2 ? kLargeBlockGroups : kSmallBlockGroups,
                     .order = static_cast<ThreadOrder>(height % 3)};
  if (!HasRoom(c, c.groups)) c.groups = kSmallBlockGroups;
  return c;
}

void ExpectClose(const DepthwiseCase& c) {
  const DepthwiseLayer layer(c);
  layer.ExpectClose(layer.RunEmulated(/*in_place=*/(c.height + c.width) % 2 == 0));
  if (testing::Test::HasFailure()) FAIL() << testing::PrintToString(c);
}

class CudaDepthwiseSweepTest : public testing::TestWithParam<int64_t> {};

TEST_P(CudaDepthwiseSweepTest, EveryHeightAndEveryWidth) {
  const int64_t kernel = GetParam();
  for (int64_t height = 1; height <= 64; ++height) {
    const int64_t width = (height * 37 + kernel * 11) % 64 + 1;  // each of them once
    ASSERT_NO_FATAL_FAILURE(ExpectClose(CaseOf(kernel, height, width)));
  }
}

// `--gtest_also_run_disabled_tests`: minutes.
TEST_P(CudaDepthwiseSweepTest, DISABLED_EveryHeightByEveryWidth) {
  for (int64_t height = 1; height <= 64; ++height) {
    for (int64_t width = 1; width <= 64; ++width) {
      ASSERT_NO_FATAL_FAILURE(ExpectClose(CaseOf(GetParam(), height, width)));
    }
  }
}
INSTANTIATE_TEST_SUITE_P(EachKernel, CudaDepthwiseSweepTest,
                         testing::Range<int64_t>(kLeastKernel, kLargestKernel + 1));

TEST(CudaDepthwiseKernelInPlaceTest, TheResultMayOverwriteTheInput) {
  const DepthwiseLayer layer({.kernel = 9,
                              .images = 2,
                              .height = 18,
                              .width = 34,
                              .channels = 16,
                              .groups = kSmallBlockGroups});
  EXPECT_EQ(layer.RunEmulated(/*in_place=*/true), layer.RunEmulated(/*in_place=*/false));
}

}  // namespace
}  // namespace patchserve::cuda
