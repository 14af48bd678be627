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
#include "tests/model/fake_kernels.h"
#include "tests/model/kept_warnings.h"
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
    auto engine = Engine::Load(
        folder,
        {.device = "cpu", .precision = precision_, .kernels = kernels_, .photo = PixelsAsPhoto});
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
  const FusedKernels* kernels_ = nullptr;
  std::unique_ptr<Engine> engine_;
  nlohmann::json golden_;
};

class BFloat16GoldenTest : public GoldenTest {
 protected:
  BFloat16GoldenTest() { precision_ = Precision::kBFloat16; }
};

// By a table of kernels that compute on the CPU.
class FusedGoldenTest : public BFloat16GoldenTest {
 protected:
  FusedGoldenTest() {
    fake_.multiple_of = 4;  // the networks are narrow
    kernels_ = &fake_.kernels();
  }

  FakeKernels fake_;
  const KeptWarnings warnings_;
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

// The engine has compared them with LibTorch's steps when it loaded the network.
TEST_P(FusedGoldenTest, AnswersOfFusedKernelsAreNearTimms) {
  EXPECT_THAT(warnings_.texts(), testing::IsEmpty());
  fake_.gemms.clear();
  ExpectNear(Answer().logits, "logits", 0.04f);
  EXPECT_FALSE(fake_.gemms.empty());
}

std::string NameOfFolder(const testing::TestParamInfo<std::string>& info) { return info.param; }

INSTANTIATE_TEST_SUITE_P(Models, GoldenTest, testing::ValuesIn(Folders()), NameOfFolder);
INSTANTIATE_TEST_SUITE_P(Models, BFloat16GoldenTest, testing::ValuesIn(Folders()), NameOfFolder);
INSTANTIATE_TEST_SUITE_P(Models, FusedGoldenTest, testing::ValuesIn(Folders()), NameOfFolder);

}  // namespace
}  // namespace patchserve
