// What of a Mixer's folder is refused; its answers are in golden_test.cc.
#include "server/model/mixer.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "nlohmann/json.hpp"
#include "server/model/engine.h"
#include "tests/model/status_matchers.h"
#include "tests/temporary_folder.h"

namespace patchserve {
namespace {

using nlohmann::json;
using testing::HasSubstr;

// Loads the folder `name` of tests/data/models, `changes` merged into its config.json.
absl::StatusOr<std::unique_ptr<Engine>> LoadWith(const std::string& name, const json& changes) {
  const std::filesystem::path source = std::filesystem::path(PATCHSERVE_TEST_DATA "/models") / name;
  TemporaryFolder folder;
  std::filesystem::copy(source, folder.path(), std::filesystem::copy_options::recursive);
  json config = json::parse(std::ifstream(source / "config.json"));
  config.merge_patch(changes);
  folder.Write("config.json", config.dump());
  return Engine::Load(folder.path(), {.device = "cpu", .precision = Precision::kFloat32});
}

auto Refused(const std::string& part) {
  return IsError(absl::StatusCode::kInvalidArgument, HasSubstr(part));
}

json Args(const char* key, const json& value) { return {{"model_args", {{key, value}}}}; }

TEST(MixerTest, SizesThatTheTensorsContradictAreRefused) {
  EXPECT_THAT(LoadWith("mixer", Args("num_blocks", 3)), Refused("model_args.num_blocks is 3"));
  EXPECT_THAT(LoadWith("mixer", Args("embed_dim", 13)), Refused("model_args.embed_dim is 13"));
  EXPECT_THAT(LoadWith("mixer", Args("mlp_ratio", {0.5, 3})),
              Refused("model_args.mlp_ratio is 0.5"));
  EXPECT_THAT(LoadWith("gmlp", Args("mlp_ratio", 4)), Refused("model_args.mlp_ratio is 4"));
  EXPECT_THAT(LoadWith("resmlp", Args("mlp_ratio", 2)), Refused("model_args.mlp_ratio is 2"));
}

TEST(MixerTest, AnotherPictureSizeIsRefused) {
  EXPECT_THAT(LoadWith("resmlp", {{"model_args", {{"img_size", {32, 16}}}}}),
              Refused("input_size 32x16 has 8 patches of 8 pixels a side, the tensors are for 6"));
}

TEST(MixerTest, AnotherKindOfBlocksIsRefused) {
  EXPECT_THAT(LoadWith("resmlp", {{"architecture", "mixer_s16_224"}}),
              Refused("tensor blocks.0.mlp_tokens.fc1.weight is missing"));
  EXPECT_THAT(LoadWith("gmixer", {{"architecture", "mixer_s16_224"}}),
              Refused("tensor blocks.0.mlp_tokens.fc2.weight has shape"));
}

}  // namespace
}  // namespace patchserve
