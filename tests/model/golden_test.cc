// The folders of tests/data/models answer as timm does (tools/make_model_golden.py).
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "nlohmann/json.hpp"
#include "server/model/engine.h"
#include "tests/model/pixels.h"

namespace patchserve {
namespace {

using Rows = std::vector<std::vector<float>>;

const char kModels[] = PATCHSERVE_TEST_DATA "/models";

std::vector<std::string> Folders() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kModels)) {
    names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class GoldenTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const std::string folder = absl::StrCat(kModels, "/", GetParam());
    auto engine = Engine::Load(folder, {.device = "cpu", .precision = precision_});
    ASSERT_TRUE(engine.ok()) << engine.status();
    engine_ = *std::move(engine);
    golden_ = nlohmann::json::parse(std::ifstream(folder + "/golden.json"));
  }

  BatchOutput Answer() const {
    const size_t bytes = engine_->description().preprocessing.bytes();
    const std::vector<uint8_t> images[] = {Pixels(0, bytes), Pixels(1, bytes)};
    return engine_->Forward({images[0].data(), images[1].data()}, /*bucket=*/2, /*embeddings=*/true)
        .value();
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
  ExpectNear(output.logits, "logits", 2e-5f);  // none of those without a classifier
  ExpectNear(output.embeddings, "embeddings", 2e-5f);
}

TEST_P(BFloat16GoldenTest, AnswersAreNearTimms) {
  const BatchOutput output = Answer();
  ExpectNear(output.logits, "logits", 0.04f);
  if (output.logits.empty()) ExpectNear(output.embeddings, "embeddings", 0.04f);
}

std::string NameOfFolder(const testing::TestParamInfo<std::string>& info) { return info.param; }

INSTANTIATE_TEST_SUITE_P(Models, GoldenTest, testing::ValuesIn(Folders()), NameOfFolder);
INSTANTIATE_TEST_SUITE_P(Models, BFloat16GoldenTest, testing::ValuesIn(Folders()), NameOfFolder);

}  // namespace
}  // namespace patchserve
