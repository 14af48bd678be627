#include "server/model/kernels/depthwise.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/addcmul.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include <vector>

#include "server/model/linear.h"

namespace patchserve {
namespace {

struct Shape {
  int64_t images, height, width, channels, kernel;
};

// Sides below, at and beyond the kernel's and a tile's; channels that fill no vector, one, and
// some and a rest.
const Shape kShapes[] = {{1, 1, 1, 1, 1},    {2, 2, 2, 3, 3},    {1, 3, 5, 16, 7},
                         {1, 7, 8, 17, 2},   {3, 9, 9, 32, 5},   {1, 16, 16, 33, 9},
                         {2, 13, 17, 36, 4}, {1, 10, 31, 64, 7}, {1, 4, 40, 100, 9}};

std::vector<InstructionSet> Sets() {
  std::vector<InstructionSet> sets;
  for (InstructionSet set : {InstructionSet::kBaseline, InstructionSet::kAvx2,
                             InstructionSet::kAvx512, InstructionSet::kAvx512Bf16}) {
    if (set <= BestInstructionSet()) sets.push_back(set);
  }
  return sets;
}

class Layer {
 public:
  Layer(int64_t channels, int64_t kernel)
      : weight_(at::randn({channels, 1, kernel, kernel}) / kernel),
        numbers_(at::randn({4, channels})),
        kernel_({.channels = channels,
                 .kernel = kernel,
                 .weight = weight_.const_data_ptr<float>(),
                 .bias = numbers_[0].const_data_ptr<float>(),
                 .in_scale = numbers_[1].const_data_ptr<float>(),
                 .in_shift = numbers_[2].const_data_ptr<float>(),
                 .out_scale = numbers_[3].const_data_ptr<float>()}) {}

  template <typename T>
  at::Tensor Run(Activation activation, const at::Tensor& in, InstructionSet set) const {
    at::Tensor out = at::empty_like(in);
    kernel_.Run(activation, static_cast<const T*>(in.const_data_ptr()),
                static_cast<T*>(out.mutable_data_ptr()), in.size(0), in.size(1), in.size(2), set);
    return out;
  }

  // By ATen, in float64, or with x and the weights rounded as for products of pairs.
  at::Tensor Expected(Activation activation, const at::Tensor& in, bool pairs = false) const {
    const auto rounded = [&](const at::Tensor& t) {
      return pairs ? t.to(at::kBFloat16).to(at::kDouble) : t.to(at::kDouble);
    };
    const auto number = [&](int i) { return numbers_[i].to(at::kDouble).view({1, -1, 1, 1}); };
    const at::Tensor x =
        rounded(at::addcmul(number(2), in.to(at::kDouble).permute({0, 3, 1, 2}), number(1)));
    at::Tensor mixed =
        at::conv2d(x, rounded(weight_), numbers_[0].to(at::kDouble), 1, "same", 1, x.size(1));
    Activate(activation, mixed);
    return at::addcmul(x, mixed, number(3)).permute({0, 2, 3, 1});
  }

 private:
  at::Tensor weight_, numbers_;
  DepthwiseKernel kernel_;
};

float LargestError(const at::Tensor& got, const at::Tensor& expected) {
  return ((got.to(at::kDouble) - expected).abs() / (1 + expected.abs())).max().item<float>();
}

TEST(DepthwiseTest, GivesWhatATensStepsGiveInAllShapes) {
  at::manual_seed(1);
  for (const Shape& s : kShapes) {
    const Layer layer(s.channels, s.kernel);
    const at::Tensor in = at::randn({s.images, s.height, s.width, s.channels});
    const at::Tensor in16 = in.to(at::kBFloat16);
    for (const auto& [name, activation] : kActivations) {
      const at::Tensor expected = layer.Expected(activation, in);
      const at::Tensor expected16 = layer.Expected(activation, in16);
      const at::Tensor of_pairs = layer.Expected(activation, in16, /*pairs=*/true);
      for (InstructionSet set : Sets()) {
        SCOPED_TRACE(testing::Message()
                     << s.height << "x" << s.width << "x" << s.channels << ", " << s.kernel
                     << ", activation " << static_cast<int>(activation) << ", instruction set "
                     << static_cast<int>(set));
        EXPECT_LT(LargestError(layer.Run<float>(activation, in, set), expected), 5e-6);
        // Twice the last bit that the result is rounded to: x may be rounded the other way.
        const bool pairs = set == InstructionSet::kAvx512Bf16;
        EXPECT_LT(
            LargestError(layer.Run<uint16_t>(activation, in16, set), pairs ? of_pairs : expected16),
            pairs ? 0.008 : 0.004);
      }
    }
  }
}

TEST(DepthwiseTest, AnImageGivesTheSameBitsInAnyBatch) {
  at::manual_seed(1);
  const Layer layer(40, 5);
  const at::Tensor in = at::randn({5, 9, 11, 40});
  const at::Tensor all = layer.Run<float>(Activation::kGelu, in, BestInstructionSet());
  for (int64_t i = 0; i < in.size(0); ++i) {
    const at::Tensor one =
        layer.Run<float>(Activation::kGelu, in.narrow(0, i, 1), BestInstructionSet());
    EXPECT_TRUE(one.equal(all.narrow(0, i, 1)));
  }
}

}  // namespace
}  // namespace patchserve
