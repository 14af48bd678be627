#include "server/model/kernels/attention.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <gtest/gtest.h>

namespace patchserve {
namespace {

float LargestError(const at::Tensor& got, const at::Tensor& q, const at::Tensor& k,
                   const at::Tensor& v) {
  const at::Tensor expected =
      at::scaled_dot_product_attention(q.to(at::kDouble), k.to(at::kDouble), v.to(at::kDouble))
          .transpose(1, 2)
          .flatten(2);
  EXPECT_EQ(got.sizes(), expected.sizes());
  return ((got.to(at::kDouble) - expected).abs() / (1 + expected.abs())).max().item<float>();
}

TEST(AttentionTest, GivesWhatATensGives) {
  at::manual_seed(1);
  // Tokens below, at and beyond a vector; a head width that has no kernel of ours; few queries.
  struct Shape {
    int64_t images, heads, queries, tokens, dim;
  };
  for (const Shape& s : {Shape{1, 1, 1, 1, 16},
                         {2, 3, 5, 5, 32},
                         {1, 2, 64, 64, 64},
                         {2, 3, 197, 197, 64},
                         {1, 2, 1, 50, 80},
                         {1, 2, 9, 17, 24}}) {
    const at::Tensor q = at::randn({s.images, s.heads, s.queries, s.dim}) * 2;
    const at::Tensor kv =  // side by side, as a linear layer gives them
        at::randn({s.images, s.tokens, 2, s.heads, s.dim}).permute({2, 0, 3, 1, 4});
    const at::Tensor q16 = q.to(at::kBFloat16), kv16 = kv.to(at::kBFloat16);
    for (InstructionSet set : {InstructionSet::kBaseline, InstructionSet::kAvx2,
                               InstructionSet::kAvx512, InstructionSet::kAvx512Bf16}) {
      if (set > BestInstructionSet()) continue;
      SCOPED_TRACE(testing::Message() << s.tokens << " tokens of " << s.dim << ", instruction set "
                                      << static_cast<int>(set));
      EXPECT_LT(LargestError(Attention(q, kv[0], kv[1], set), q, kv[0], kv[1]), 2e-6);
      EXPECT_LT(LargestError(Attention(q16, kv16[0], kv16[1], set), q16, kv16[0], kv16[1]), 0.01);
    }
  }
}

TEST(AttentionTest, LargeScoresDontOverflow) {
  at::manual_seed(1);
  const at::Tensor x = at::randn({1, 1, 20, 16}) * 100;
  EXPECT_LT(LargestError(Attention(x, x, x), x, x, x), 2e-5);
}

TEST(AttentionTest, AnImageGivesTheSameBitsInAnyBatch) {
  at::manual_seed(1);
  const at::Tensor x = at::randn({3, 2, 19, 32});
  const at::Tensor all = Attention(x, x, x);
  for (int64_t i = 0; i < x.size(0); ++i) {
    const at::Tensor one = x.narrow(0, i, 1);
    EXPECT_TRUE(Attention(one, one, one).equal(all.narrow(0, i, 1)));
  }
}

}  // namespace
}  // namespace patchserve
