// The folders of tests/data/models answer as timm does (tools/make_model_golden.py).
#include <cmath>
#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "nlohmann/json.hpp"
#include "server/model/engine.h"
#include "tests/model/pixels.h"

namespace patchserve {
namespace {

using Rows = std::vector<std::vector<float>>;

class GoldenTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const std::string folder = std::string(PATCHSERVE_TEST_DATA "/models/") + GetParam();
    auto engine = Engine::Load(folder, {.device = "cpu", .precision = precision_});
    ASSERT_TRUE(engine.ok()) << engine.status();
    engine_ = *std::move(engine);
    golden_ = nlohmann::json::parse(std::ifstream(folder + "/golden.json"));
  }

  BatchOutput Answer() const {
    const size_t bytes = engine_->description().preprocessing.bytes();
    const std::vector<uint8_t> images[] = {Pixels(0, bytes), Pixels(1, bytes)};
    return engine_->Forward({images[0].data(), images[1].data()}, /*embeddings=*/true).value();
  }

  void ExpectNear(const std::vector<float>& got, const char* golden, float tolerance) const {
    std::vector<float> expected;
    for (const auto& row : golden_[golden].get<Rows>()) {
      expected.insert(expected.end(), row.begin(), row.end());
    }
    float largest = 0;
    for (float value : expected) largest = std::max(largest, std::abs(value));
    EXPECT_THAT(got, testing::Pointwise(testing::FloatNear(tolerance * largest), expected));
  }

  Precision precision_ = Precision::kFloat32;
  std::unique_ptr<Engine> engine_;
  nlohmann::json golden_;
};

class BFloat16GoldenTest : public GoldenTest {
 protected:
  BFloat16GoldenTest() { precision_ = Precision::kBFloat16; }
};

TEST_P(GoldenTest, AnswersAreTimms) {
  const BatchOutput output = Answer();
  ExpectNear(output.logits, "logits", 2e-5f);
  ExpectNear(output.embeddings, "embeddings", 2e-5f);
}

TEST_P(BFloat16GoldenTest, AnswersAreNearTimms) { ExpectNear(Answer().logits, "logits", 0.04f); }

const auto kFolders = testing::Values("convmixer", "convmixer_relu_flat", "convmixer_f16", "vit",
                                      "vit_without_model_args_bf16");
INSTANTIATE_TEST_SUITE_P(Models, GoldenTest, kFolders);
INSTANTIATE_TEST_SUITE_P(Models, BFloat16GoldenTest, kFolders);

}  // namespace
}  // namespace patchserve
