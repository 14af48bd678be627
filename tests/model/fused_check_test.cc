#include "server/model/fused_check.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/where.h>

#include <limits>
#include <vector>

#include "gmock/gmock.h"
#include "tests/model/kept_warnings.h"
#include "tests/model/status_matchers.h"

namespace patchserve {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const Preprocessing kInput = {.width = 6, .height = 8};

using Change = std::function<at::Tensor(const at::Tensor&)>;

// Ten values of each image, in its type, and what is done to them.
NetworkFunction Values(Change change = nullptr) {
  return [change](const at::Tensor& images) {
    const at::Tensor values = images.flatten(1).narrow(1, 40, 10).clone();
    return NetworkOutput{.logits = change ? change(values) : values, .embedding = values};
  };
}

// Of white pixels.
at::Tensor Pictures() {
  const std::vector<uint8_t> photo(kInput.bytes(), 255);
  return CheckPictures(photo.data(), kInput);
}

class FusedCheckTest : public testing::Test {
 protected:
  // The first logits of what is served.
  at::Tensor Served(const NetworkFunction& network, const NetworkFunction& steps = Values()) {
    const auto in_steps = [&](const at::TensorOptions&) -> absl::StatusOr<NetworkFunction> {
      ++put_together_;
      return steps;
    };
    const NetworkFunction served =
        FusedIfRight(network, in_steps, at::kBFloat16, Pictures(), "folder").value();
    return served(Pictures().to(at::kBFloat16)).logits;
  }

  bool IsServedFused(const NetworkFunction& network, const NetworkFunction& steps = Values()) {
    const at::Tensor logits = Served(network, steps);
    const at::Tensor images = Pictures().to(at::kBFloat16);
    return warnings_.texts().empty() && at::equal(logits, network(images).logits);
  }

  // Put together in steps once for each precision, whatever is found.
  void ExpectServedInSteps(const NetworkFunction& network, const std::string& why,
                           const NetworkFunction& steps = Values()) {
    const at::Tensor logits = Served(network, steps);
    EXPECT_TRUE(at::equal(logits, steps(Pictures().to(at::kBFloat16)).logits));
    EXPECT_THAT(
        warnings_.texts(),
        ElementsAre(AllOf(HasSubstr("folder: served without our own kernels"), HasSubstr(why))));
    EXPECT_EQ(put_together_, 2);
  }

  const KeptWarnings warnings_;
  int put_together_ = 0;
};

TEST_F(FusedCheckTest, ThePicturesAreThePhotoAndNoise) {
  const at::Tensor pictures = Pictures();
  EXPECT_EQ(pictures.sizes(), at::IntArrayRef({2, 8, 6, 3}));
  for (int color = 0; color < 3; ++color) {
    const float white = (1 - kInput.mean[color]) / kInput.std[color];
    const at::Tensor photo = pictures[0].select(-1, color), noise = pictures[1].select(-1, color);
    EXPECT_TRUE((photo == white).all().item<bool>());
    EXPECT_LT(noise.abs().max().item<float>(), 6);
    EXPECT_GT(noise.std().item<float>(), 0.5);
  }
}

TEST_F(FusedCheckTest, RoundingIsAllowed) {
  EXPECT_TRUE(IsServedFused(Values()));
  EXPECT_TRUE(IsServedFused(Values([](const at::Tensor& x) { return x * 1.003; })));
}

// Off only where it isn't float32.
NetworkFunction OffBy(double part) {
  return Values(
      [part](const at::Tensor& x) { return x.scalar_type() == at::kFloat ? x : x * (1 + part); });
}

TEST_F(FusedCheckTest, AsMuchAsTheStepsAreOffAgainIsAllowed) {
  EXPECT_TRUE(IsServedFused(OffBy(0.15), OffBy(0.1)));
}

TEST_F(FusedCheckTest, BeingOffByMoreThanThatIsFound) {
  ExpectServedInSteps(OffBy(0.3), "of its values", OffBy(0.1));
}

TEST_F(FusedCheckTest, AClassThatIsWrongIsFound) {
  ExpectServedInSteps(Values([](at::Tensor x) {
                        x.select(1, 9).zero_();
                        return x;
                      }),
                      "of its values");
}

TEST_F(FusedCheckTest, WhatIsWrongForThePhotoAloneIsFound) {
  const auto of_white = [](const at::Tensor& x) {
    return at::where(x.mean(1, /*keepdim=*/true) > 2, x * 1.5, x);
  };
  ExpectServedInSteps(Values(of_white), "of its values");
}

TEST_F(FusedCheckTest, WhatIsNoNumberIsFound) {
  ExpectServedInSteps(
      Values([](const at::Tensor& x) { return x * std::numeric_limits<float>::quiet_NaN(); }),
      "of its values");
}

TEST_F(FusedCheckTest, WhatIsWrongInLargeBatchesAloneIsFound) {
  ExpectServedInSteps(Values([](const at::Tensor& x) { return x.size(0) > 2 ? x.flip({0}) : x; }),
                      "a batch of 32 is off");
}

TEST_F(FusedCheckTest, ANetworkThatThrowsIsServedInSteps) {
  ExpectServedInSteps(Values([](const at::Tensor&) -> at::Tensor { TORCH_CHECK(false, "broken"); }),
                      "broken");
}

TEST_F(FusedCheckTest, WithoutMemoryForFloat32TheStepsAreServed) {
  const auto in_steps = [](const at::TensorOptions& target) -> absl::StatusOr<NetworkFunction> {
    if (target.dtype() == at::kFloat) return absl::ResourceExhaustedError("no memory");
    return OffBy(0.1);
  };
  const auto served = FusedIfRight(Values(), in_steps, at::kBFloat16, Pictures(), "folder");
  const at::Tensor images = Pictures().to(at::kBFloat16);
  EXPECT_TRUE(at::equal((*served)(images).logits, OffBy(0.1)(images).logits));
  EXPECT_THAT(warnings_.texts(), ElementsAre(HasSubstr("no memory")));
}

TEST_F(FusedCheckTest, ALostDeviceIsAnError) {
  const auto in_steps = [](const at::TensorOptions&) -> absl::StatusOr<NetworkFunction> {
    return absl::UnavailableError("lost");
  };
  EXPECT_THAT(FusedIfRight(Values(), in_steps, at::kBFloat16, Pictures(), "folder").status(),
              IsError(absl::StatusCode::kUnavailable, "lost"));
  EXPECT_THAT(warnings_.texts(), IsEmpty());
}

}  // namespace
}  // namespace patchserve
