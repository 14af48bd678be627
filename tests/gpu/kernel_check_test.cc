// What kernel_check finds, over kernels that compute on the CPU.
#include "tests/gpu/kernel_check.h"

#include <ATen/Context.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <iterator>

#include "tests/model/fake_kernels.h"

namespace patchserve::cuda {
namespace {

// Nothing, a residual, each activation, and a norm after two of them.
constexpr int kEpilogues = 4 + static_cast<int>(std::size(kActivations));

class KernelCheckTest : public testing::Test {
 protected:
  KernelCheckTest() {
    at::manual_seed(1);
    fake_.tile_times = {1, 1};
  }
  Checked Few() const { return {.kernels = fake_.table(), .device = at::kCPU, .few = true}; }

  const c10::InferenceMode no_autograd_;
  FakeKernels fake_;
};

TEST_F(KernelCheckTest, KernelsThatAreRightPass) {
  EXPECT_EQ(CheckGemms(Few()), 0);
  EXPECT_EQ(CheckRowNorms(Few()), 0);
  EXPECT_EQ(CheckGather(Few()), 0);
  EXPECT_EQ(fake_.gemms.size(), kEpilogues * 2 + 2 * 2 * 12);  // by tiles, and the chains
}

TEST_F(KernelCheckTest, ANumberThatIsWrongIsFoundInEveryEpilogue) {
  fake_.wrong_tile = 1;
  EXPECT_EQ(CheckGemms(Few()), kEpilogues);
}

TEST_F(KernelCheckTest, AKernelThatIsNotStartedIsWrong) {
  fake_.failing_tile = 0;
  EXPECT_EQ(CheckGemms(Few()), kEpilogues + 2 * 12);
}

TEST_F(KernelCheckTest, AResidualThatIsLeftOutIsFound) {
  EXPECT_EQ(CheckDepthwise(Few()), 0);
  fake_.wrong_depthwise = true;
  EXPECT_GT(CheckDepthwise(Few()), 0);
}

TEST_F(KernelCheckTest, ABiasThatIsLeftOutIsFound) {
  fake_.wrong_norm = true;
  EXPECT_EQ(CheckRowNorms(Few()), 1);
}

TEST_F(KernelCheckTest, AnImageThatIsWrongIsFound) {
  fake_.wrong_gather = true;
  EXPECT_EQ(CheckGather(Few()), 3);
}

}  // namespace
}  // namespace patchserve::cuda
