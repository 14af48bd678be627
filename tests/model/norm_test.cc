#include "server/model/kernels/norm.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/rms_norm.h>
#include <gtest/gtest.h>

namespace patchserve {
namespace {

constexpr InstructionSet kSets[] = {InstructionSet::kBaseline, InstructionSet::kAvx2,
                                    InstructionSet::kAvx512, InstructionSet::kAvx512Bf16};

// Both by ATen in float64.
at::Tensor ExpectedLayerNorm(const at::Tensor& x, const at::Tensor& weight,
                             const at::Tensor& bias) {
  return at::layer_norm(x.to(at::kDouble), weight.sizes(), weight.to(at::kDouble),
                        bias.to(at::kDouble), 1e-6);
}
at::Tensor ExpectedRmsNorm(const at::Tensor& x, const at::Tensor& weight) {
  return at::rms_norm(x.to(at::kDouble), weight.sizes(), weight.to(at::kDouble), 1e-6);
}

float LargestError(const at::Tensor& got, const at::Tensor& expected) {
  EXPECT_EQ(got.sizes(), expected.sizes());
  return ((got.to(at::kDouble) - expected).abs() / (1 + expected.abs())).max().item<float>();
}

TEST(NormTest, GivesWhatATensGives) {
  at::manual_seed(1);
  for (int64_t dim : {16, 24, 48, 192}) {  // 24 has no kernel of ours
    // Far from 0, as a ViT's last layers are: squares of what isn't centred would be too inexact.
    const at::Tensor x = at::randn({2, 5, dim}) * 3 + 50;
    const at::Tensor weight = at::randn({dim}), bias = at::randn({dim});
    const auto half = [](const at::Tensor& t) { return t.to(at::kBFloat16); };
    for (InstructionSet set : kSets) {
      if (set > BestInstructionSet()) continue;
      SCOPED_TRACE(testing::Message() << dim << ", instruction set " << static_cast<int>(set));
      EXPECT_LT(LargestError(NormalizeRows(x, weight, bias, 1e-6, set),
                             ExpectedLayerNorm(x, weight, bias)),
                1e-5);
      EXPECT_LT(LargestError(NormalizeRows(x, weight, {}, 1e-6, set), ExpectedRmsNorm(x, weight)),
                2e-6);
      // The result is rounded to 8 bits, and nothing else is.
      EXPECT_LT(LargestError(NormalizeRows(half(x), half(weight), half(bias), 1e-6, set),
                             ExpectedLayerNorm(half(x), half(weight), half(bias))),
                0.004);
    }
  }
}

TEST(NormTest, RowsThatDontFollowEachOtherAreNormalisedToo) {
  at::manual_seed(1);
  const at::Tensor x = at::randn({2, 5, 32}), weight = at::randn({32}), bias = at::randn({32});
  const at::Tensor first = x.select(/*dim=*/1, 0);
  EXPECT_LT(LargestError(NormalizeRows(first, weight, bias, 1e-6),
                         ExpectedLayerNorm(first, weight, bias)),
            1e-5);
}

}  // namespace
}  // namespace patchserve
