#include "server/model/weights.h"

#include <limits>

#include "server/model/layers.h"
#include "tests/model/status_matchers.h"
#include "tests/model/write_safetensors.h"

namespace patchserve {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

auto Refused(const std::string& part) {
  return IsError(absl::StatusCode::kInvalidArgument, HasSubstr(part));
}

Weights Parsed(const std::string& file) {
  return {ParseSafetensors(file).value(), at::TensorOptions(at::kCPU).dtype(at::kFloat)};
}

std::vector<float> Values(const at::Tensor& tensor) {
  const float* values = tensor.const_data_ptr<float>();
  return {values, values + tensor.numel()};
}

TEST(WeightsTest, HalfPrecisionBecomesFloat32) {
  const std::string file = SafetensorsFile({
      {"bf16", {"BF16", {2}, std::string("\x80\x3f\x00\xc0", 4)}},
      {"f16", {"F16", {2}, std::string("\x00\x3c\x00\xc0", 4)}},
  });
  Weights weights = Parsed(file);
  EXPECT_THAT(Values(weights.Take("bf16", {2}).value()), ElementsAre(1, -2));
  EXPECT_THAT(Values(weights.Take("f16", {2}).value()), ElementsAre(1, -2));
}

TEST(WeightsTest, TensorsAreCopies) {
  std::string file = SafetensorsFile({{"a", FloatTensor({1}, {5})}});
  Weights weights = Parsed(file);
  const at::Tensor a = weights.Take("a", {1}).value();
  file.assign(file.size(), '\0');
  EXPECT_THAT(Values(a), ElementsAre(5));
}

TEST(WeightsTest, AMissingTensorIsNamed) {
  const std::string file = SafetensorsFile({{"a", FloatTensor({1}, {5})}});
  EXPECT_THAT(Parsed(file).Take("b", {1}), Refused("tensor b is missing"));
  EXPECT_THAT(Parsed(file).ShapeOf("b", 1), Refused("tensor b is missing"));
}

TEST(WeightsTest, AnotherShapeIsNamedWithTheExpectedOne) {
  const std::string file = SafetensorsFile({{"a", FloatTensor({2, 1}, {5, 6})}});
  EXPECT_THAT(Parsed(file).Take("a", {2}), Refused("tensor a has shape [2, 1], expected [2]"));
  EXPECT_THAT(Parsed(file).ShapeOf("a", 4), Refused("tensor a has shape [2, 1], expected 4"));
}

TEST(WeightsTest, AnUnusedTensorIsNamedUnlessItCountsBatches) {
  const std::string file =
      SafetensorsFile({{"a", FloatTensor({1}, {5})},
                       {"b", FloatTensor({1}, {6})},
                       {"n.num_batches_tracked", {"I64", {}, std::string(8, '\0')}}});
  Weights weights = Parsed(file);
  ASSERT_TRUE(weights.Take("a", {1}).ok());
  EXPECT_THAT(weights.CheckAllTaken(), Refused("tensor b [1] has no place"));
  ASSERT_TRUE(weights.Take("b", {1}).ok());
  EXPECT_TRUE(weights.CheckAllTaken().ok());
}

TEST(WeightsTest, NanAndInfinityAreRefused) {
  const std::string file =
      SafetensorsFile({{"a", FloatTensor({2}, {0, std::numeric_limits<float>::quiet_NaN()})},
                       {"b", FloatTensor({2}, {-std::numeric_limits<float>::infinity(), 0})}});
  EXPECT_THAT(Parsed(file).Take("a", {2}), Refused("tensor a holds NaN or infinity"));
  EXPECT_THAT(Parsed(file).Take("b", {2}), Refused("tensor b holds NaN or infinity"));
}

TEST(WeightsTest, OtherTypesAreRefusedWhereTheyAreUsed) {
  const std::string file = SafetensorsFile({{"a", {"I64", {1}, std::string(8, '\0')}}});
  EXPECT_THAT(Parsed(file).Take("a", {1}), Refused("tensor a is I64, expected F32, F16 or BF16"));
}

TEST(WeightsTest, APrefixThatAllNamesShareIsTakenOff) {
  const RawTensor one = FloatTensor({1}, {1});
  const auto prefix = [&](const std::string& a, const std::string& b) {
    Weights weights = Parsed(SafetensorsFile({{a, one}, {b, one}}));
    EXPECT_TRUE(weights.Has(a.substr(weights.prefix().size())));
    return weights.prefix();
  };
  EXPECT_EQ(prefix("module.a.w", "module.b"), "module.");
  EXPECT_EQ(prefix("module._orig_mod.a", "module._orig_mod.b"), "module._orig_mod.");
  EXPECT_EQ(prefix("module.a", "modules.b"), "");
  EXPECT_EQ(prefix("a.w", "b.w"), "");
  EXPECT_EQ(Parsed(SafetensorsFile({{"a.w", one}})).prefix(), "");
}

TEST(WeightsTest, ANegativeVarianceIsRefused) {
  const std::string file = SafetensorsFile({{"n.weight", FloatTensor({1}, {1})},
                                            {"n.bias", FloatTensor({1}, {0})},
                                            {"n.running_mean", FloatTensor({1}, {0})},
                                            {"n.running_var", FloatTensor({1}, {-1})},
                                            {"other", FloatTensor({1}, {0})}});
  Weights weights = Parsed(file);
  EXPECT_THAT(TakeBatchNorm(weights, "n", 1), Refused("n.running_var holds a negative"));
}

}  // namespace
}  // namespace patchserve
