#include "server/model/fused_check.h"

#include <ATen/TensorOperators.h>

#include <limits>

#include "gmock/gmock.h"
#include "tests/model/status_matchers.h"

namespace patchserve {
namespace {

using testing::HasSubstr;

const Preprocessing kInput = {.width = 6, .height = 8};

// Ten values of each image, in its type, and what is done to them.
NetworkFunction Values(std::function<at::Tensor(const at::Tensor&)> change = nullptr) {
  return [change](const at::Tensor& images) {
    const at::Tensor values = images.flatten(1).narrow(1, 40, 10).clone();
    return NetworkOutput{.logits = change ? change(values) : values, .embedding = values};
  };
}

absl::Status Check(const NetworkFunction& network, const NetworkFunction& steps = Values()) {
  return CheckFused(
      network, [&](const at::TensorOptions&) -> absl::StatusOr<NetworkFunction> { return steps; },
      at::kBFloat16, kInput);
}

auto IsOff() { return IsError(absl::StatusCode::kInternal, HasSubstr("of its values")); }

TEST(FusedCheckTest, RoundingIsAllowed) {
  EXPECT_TRUE(Check(Values()).ok());
  EXPECT_TRUE(Check(Values([](const at::Tensor& x) { return x * 1.003; })).ok());
}

TEST(FusedCheckTest, AsMuchAsTheStepsAreOffAgainIsAllowed) {
  // Off only where it isn't float32.
  const auto off_by = [](double part) {
    return Values(
        [part](const at::Tensor& x) { return x.scalar_type() == at::kFloat ? x : x * (1 + part); });
  };
  EXPECT_TRUE(Check(off_by(0.15), off_by(0.1)).ok());
  EXPECT_THAT(Check(off_by(0.3), off_by(0.1)), IsOff());
}

TEST(FusedCheckTest, AClassThatIsWrongIsFound) {
  EXPECT_THAT(Check(Values([](at::Tensor x) {
                x.select(1, 9).zero_();
                return x;
              })),
              IsOff());
}

TEST(FusedCheckTest, WhatIsNoNumberIsFound) {
  EXPECT_THAT(Check(Values(
                  [](const at::Tensor& x) { return x * std::numeric_limits<float>::quiet_NaN(); })),
              IsOff());
}

TEST(FusedCheckTest, WhatIsWrongInLargeBatchesAloneIsFound) {
  EXPECT_THAT(Check(Values([](const at::Tensor& x) { return x.size(0) > 2 ? x.flip({0}) : x; })),
              IsError(absl::StatusCode::kInternal, HasSubstr("a batch of 32 is off")));
}

TEST(FusedCheckTest, WhatANetworkThrowsIsAnError) {
  const auto throws = Values([](const at::Tensor&) -> at::Tensor { TORCH_CHECK(false, "broken"); });
  EXPECT_THAT(Check(throws), IsError(absl::StatusCode::kInternal, HasSubstr("broken")));
}

}  // namespace
}  // namespace patchserve
