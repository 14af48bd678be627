#include "server/config/config.h"

#include <gmock/gmock.h>

#include <limits>

#include "absl/flags/flag.h"
#include "absl/flags/reflection.h"
#include "server/config/flags.h"
#include "tests/config/model_tree.h"

namespace patchserve {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ConfigTest : public ::testing::Test {
 protected:
  ConfigTest() {
    tree.Add("a");
    tree.Add("b");
    absl::SetFlag(&FLAGS_models, {tree.path()});
  }

  // The message of the error that ReadConfig gives.
  static std::string Error() { return std::string(ReadConfig().status().message()); }

  absl::FlagSaver saver;
  ModelTree tree;
};

TEST_F(ConfigTest, ModelsGetTheFlagsAsDefaultsAndTheFirstIsTheDefault) {
  absl::SetFlag(&FLAGS_max_queue, 7);
  const auto config = ReadConfig();
  ASSERT_TRUE(config.ok()) << config.status();
  ASSERT_EQ(config->models.size(), 2);
  EXPECT_EQ(config->models[1].max_queue, 7);
  EXPECT_TRUE(config->models[1].apply_orientation);
  EXPECT_EQ(config->default_model, "a");
}

TEST_F(ConfigTest, TheFileOverridesTheFlagsOfItsModels) {
  absl::SetFlag(&FLAGS_config, tree.Write("server.textproto", R"(
      default_model: "b"
      models { name: "b" max_batch: 3 precision: "bfloat16" apply_orientation: false deterministic: true
               decode: FAST
               default_deadline { nanos: 500000000 } })"));
  const auto config = ReadConfig();
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->default_model, "b");
  EXPECT_EQ(config->models[1].max_batch, 3);
  EXPECT_EQ(config->models[1].precision, "bfloat16");
  EXPECT_FALSE(config->models[1].apply_orientation);
  EXPECT_TRUE(config->models[1].fast_decode);
  EXPECT_FALSE(config->models[0].fast_decode);
  EXPECT_TRUE(config->models[1].deterministic);
  EXPECT_FALSE(config->models[0].deterministic);
  EXPECT_EQ(config->models[1].default_deadline, absl::Milliseconds(500));
  EXPECT_EQ(config->models[0].precision, "auto");
}

TEST_F(ConfigTest, AModelOfTheFileMayBeAHubs) {
  absl::SetFlag(&FLAGS_config, tree.Write("server.textproto",
                                          R"(models { name: "c" folder: "hf://org/vit@v1" })"));
  const auto config = ReadConfig();
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->models.back().folder, "hf://org/vit@v1");
  absl::SetFlag(&FLAGS_config, tree.Write("server.textproto",
                                          R"(models { name: "c" folder: "hf://org/../vit" })"));
  EXPECT_THAT(Error(), HasSubstr("model c: \"hf://org/../vit\" is not a model of a hub"));
}

TEST_F(ConfigTest, AnErrorInTheFileNamesItsLine) {
  absl::SetFlag(&FLAGS_config, tree.Write("server.textproto", "\nmodels { nmae: 'b' }"));
  EXPECT_THAT(Error(), HasSubstr("server.textproto:2:"));
}

TEST_F(ConfigTest, AnEmptyFileChangesNothing) {
  absl::SetFlag(&FLAGS_config, tree.Write("server.textproto", ""));
  const auto config = ReadConfig();
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->models.size(), 2);
}

TEST_F(ConfigTest, AFileThatIsNotThereIsAnError) {
  absl::SetFlag(&FLAGS_config, tree.path("missing.textproto"));
  EXPECT_THAT(Error(), AllOf(HasSubstr("--config"), HasSubstr("missing.textproto: no such file")));
}

TEST_F(ConfigTest, AModelOfTheFileThatNobodyKnowsIsAnError) {
  absl::SetFlag(&FLAGS_config, tree.Write("server.textproto", "models { name: 'c' }"));
  EXPECT_THAT(Error(), HasSubstr("model c has no folder"));
}

TEST_F(ConfigTest, TwoModelsOfOneNameAreAnError) {
  absl::SetFlag(&FLAGS_models, {tree.path(), "a=" + tree.path("b")});
  EXPECT_THAT(Error(), HasSubstr("two models are named a"));
}

TEST_F(ConfigTest, NoModelsAreAnError) {
  absl::SetFlag(&FLAGS_models, {});
  EXPECT_THAT(Error(), HasSubstr("no models"));
}

TEST_F(ConfigTest, AnUnknownDefaultModelIsAnError) {
  absl::SetFlag(&FLAGS_default_model, "c");
  EXPECT_THAT(Error(), HasSubstr("default model c"));
}

TEST_F(ConfigTest, ValuesOutOfRangeAreErrorsThatNameThem) {
  absl::SetFlag(&FLAGS_precision, "int8");
  EXPECT_THAT(Error(), HasSubstr("precision is \"int8\""));
  absl::SetFlag(&FLAGS_precision, "auto");
  absl::SetFlag(&FLAGS_max_batch, -1);
  EXPECT_THAT(Error(), HasSubstr("max_batch is -1"));
  absl::SetFlag(&FLAGS_max_batch, 1);
  absl::SetFlag(&FLAGS_lame_duck, -absl::Seconds(1));
  EXPECT_THAT(Error(), HasSubstr("--lame_duck"));
}

TEST_F(ConfigTest, AnAddressNeedsAHostAndAPort) {
  for (const char* address : {"127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", ":8001", "x:-1", ""}) {
    absl::SetFlag(&FLAGS_address, address);
    EXPECT_THAT(Error(), HasSubstr("HOST:PORT")) << address;
  }
  absl::SetFlag(&FLAGS_address, "[::1]:8001");
  EXPECT_TRUE(ReadConfig().ok());
}

TEST_F(ConfigTest, AnUnknownLogLevelAndTooManyThreadsAreErrors) {
  absl::SetFlag(&FLAGS_log_level, "nonsense");
  EXPECT_THAT(Error(), HasSubstr("--log_level"));
  absl::SetFlag(&FLAGS_log_level, "warn");
  absl::SetFlag(&FLAGS_runners, 100000);
  EXPECT_THAT(Error(), HasSubstr("--runners"));
  absl::SetFlag(&FLAGS_runners, 0);
  absl::SetFlag(&FLAGS_gpu_memory, -1);
  EXPECT_THAT(Error(), HasSubstr("--gpu_memory"));
}

TEST_F(ConfigTest, MorePixelsThanEveryDecoderCanDoAreAnError) {
  for (const int64_t pixels : {int64_t{250'000'001}, std::numeric_limits<int64_t>::max()}) {
    absl::SetFlag(&FLAGS_max_image_pixels, pixels);
    EXPECT_EQ(Error(), "--max_image_pixels is above 250000000");
  }
  absl::SetFlag(&FLAGS_max_image_pixels, 250'000'000);
  absl::SetFlag(&FLAGS_memory_limit, 64'000'000'000);
  EXPECT_TRUE(ReadConfig().ok());
}

TEST_F(ConfigTest, AModelThatIsTwiceInTheFileIsAnError) {
  absl::SetFlag(&FLAGS_config,
                tree.Write("server.textproto", "models { name: 'b' } models { name: 'b' }"));
  EXPECT_THAT(Error(), HasSubstr("model b is there twice"));
}

TEST(FlagsTest, ARepeatedFlagBecomesAList) {
  EXPECT_THAT(JoinRepeated({"patchserve", "--models=a", "--x=1", "--models", "b"}, "models"),
              ElementsAre("patchserve", "--x=1", "--models=a,b"));
  EXPECT_THAT(JoinRepeated({"patchserve", "-models=a", "--models=b", "-models", "c"}, "models"),
              ElementsAre("patchserve", "--models=a,b,c"));
  EXPECT_THAT(JoinRepeated({"patchserve", "models=a", "---models=b"}, "models"),
              ElementsAre("patchserve", "models=a", "---models=b"));
  EXPECT_THAT(JoinRepeated({"patchserve", "--x=1"}, "models"), ElementsAre("patchserve", "--x=1"));
}

}  // namespace
}  // namespace patchserve
