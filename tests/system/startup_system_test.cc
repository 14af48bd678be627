// What keeps the server from starting, and what it says then.

#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/model/random_checkpoint.h"
#include "tests/model/write_safetensors.h"
#include "tests/system/http_get.h"
#include "tests/system/server_fixture.h"
#include "tests/temporary_folder.h"

namespace patchserve {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// Runs the server, which is expected to give up with exit code 1; returns its log.
std::string LogOfFailure(const std::vector<std::string>& arguments) {
  ServerProcess process(arguments);
  EXPECT_EQ(process.WaitForExit(), 1);
  process.WaitForLog("the end of the log");
  return process.log();
}

class StartupSystemTest : public ::testing::Test {
 protected:
  // A checkpoint that is good until a test damages it.
  std::string Checkpoint(const std::string& name) {
    const auto spec = NamedCheckpoint("vit_small_patch8_32");
    EXPECT_TRUE(WriteRandomCheckpoint(folder.path(name), *spec, 1).ok());
    return folder.path(name);
  }

  TemporaryFolder folder;
};

TEST_F(StartupSystemTest, AGrpcPortInUseIsNamed) {
  ServingProcess first({"--models=" + kTestModels + "/vit"});
  ASSERT_TRUE(first.serving);
  EXPECT_THAT(LogOfFailure({"--models=" + kTestModels, "--address=" + first.process.address()}),
              HasSubstr("can't serve gRPC on " + first.process.address()));
}

TEST_F(StartupSystemTest, AMetricsPortInUseIsNamed) {
  ServingProcess first({"--models=" + kTestModels + "/vit"});
  ASSERT_TRUE(first.serving);
  const std::string taken = first.process.metrics_address();
  EXPECT_THAT(LogOfFailure({"--models=" + kTestModels, "--metrics_address=" + taken}),
              HasSubstr("can't serve metrics on " + taken + ": the port is in use"));
  EXPECT_THAT(LogOfFailure({"--models=" + kTestModels, "--metrics_address=192.0.2.1:0"}),
              HasSubstr("192.0.2.1:0: this machine has no such address"));
}

TEST_F(StartupSystemTest, NoModelsAndMissingFoldersAreNamed) {
  EXPECT_THAT(LogOfFailure({}), HasSubstr("no models"));
  EXPECT_THAT(LogOfFailure({"--models=/nowhere"}), HasSubstr("/nowhere"));
}

TEST_F(StartupSystemTest, AnUnknownArchitectureAndAMissingFieldAreNamed) {
  const std::string model = Checkpoint("broken");
  folder.Write("broken/config.json", R"({"architecture": "resnet50"})");
  EXPECT_THAT(LogOfFailure({"--models=" + model}), HasSubstr("resnet50"));
  folder.Write("broken/config.json", R"({"num_classes": 10})");
  EXPECT_THAT(LogOfFailure({"--models=" + model}), HasSubstr("architecture"));
}

TEST_F(StartupSystemTest, ASafetensorsHeaderThatLiesIsNamed) {
  const std::string model = Checkpoint("broken");
  const std::string header =
      R"({"cls_token": {"dtype": "F32", "shape": [1, 1, 64], "data_offsets": [0, 99999]}})";
  folder.Write("broken/model.safetensors", SafetensorsFile(header, "12345678"));
  const std::string log = LogOfFailure({"--models=" + model});
  EXPECT_THAT(log, HasSubstr("model.safetensors"));
  EXPECT_THAT(log, HasSubstr("cls_token"));
}

TEST_F(StartupSystemTest, WeightsThatAreNotANumberAreNamed) {
  const auto spec = *NamedCheckpoint("vit_small_patch8_32");
  const std::string model = Checkpoint("broken");
  auto tensors = RandomTensors(spec, 1);
  const std::vector<int64_t> shape = tensors.at("head.bias").shape;
  tensors["head.bias"] = FloatTensor(shape, std::vector<float>(shape[0], std::nanf("")));
  folder.Write("broken/model.safetensors", SafetensorsFile(tensors));
  EXPECT_THAT(LogOfFailure({"--models=" + model}), HasSubstr("head.bias"));
}

TEST_F(StartupSystemTest, BrokenModelsCanBeSkipped) {
  Checkpoint("good");
  Checkpoint("broken");
  folder.Write("broken/config.json", "{");
  ServingProcess server(
      {"--models=" + folder.path(), "--skip_broken_models", "--default_model=good"});
  ASSERT_TRUE(server.serving) << server.process.log();
  v1::ClassifyResponse response;
  EXPECT_TRUE(server.Classify(EncodedRequest(TestImage("rgb.png")), &response).ok());
  EXPECT_EQ(server.Classify(EncodedRequest(TestImage("rgb.png"), "broken"), &response).error_code(),
            grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(server.Health("good"), "SERVING");
  EXPECT_EQ(server.Health("broken"), "NOT_SERVING");
  EXPECT_EQ(server.Health(""), "SERVING");  // one bad checkpoint mustn't keep the rest from traffic
  EXPECT_EQ(server.Health("readiness"), "SERVING");
}

TEST_F(StartupSystemTest, AFolderWithACommaServesAndANameOfAnotherModelsInputIsWarnedOf) {
  Checkpoint("lr=0.1,bs=32/vit");
  ServingProcess server({"--models=a.tensor=" + folder.path("lr=0.1,bs=32/vit")});
  ASSERT_TRUE(server.serving) << server.process.log();
  EXPECT_THAT(server.process.log(), HasSubstr("model a.tensor: the Open Inference Protocol"));
}

TEST_F(StartupSystemTest, Float16OnACpuIsRefused) {
  EXPECT_THAT(LogOfFailure({"--models=" + Checkpoint("m"), "--device=cpu", "--precision=float16"}),
              HasSubstr("float16"));
}

TEST_F(StartupSystemTest, AnUnknownFlagAndAnUnknownDeviceAreErrors) {
  EXPECT_THAT(LogOfFailure({"--models=" + Checkpoint("m"), "--device=tpu"}), HasSubstr("tpu"));
  ServerProcess process({"--no_such_flag=1"});
  EXPECT_NE(process.WaitForExit(), 0);
}

TEST_F(StartupSystemTest, VariablesSetFlagsAndTheCommandLineWins) {
  const auto log_with = [](const std::string& variable, const std::string& flag) {
    ServerProcess process({flag}, {"/usr/bin/env", variable});
    EXPECT_EQ(process.WaitForExit(), 1);
    process.WaitForLog("the end of the log");
    return process.log();
  };
  EXPECT_THAT(log_with("PATCHSERVE_MODELS=/there", "--log_level=info"), HasSubstr("/there"));
  EXPECT_THAT(log_with("PATCHSERVE_MODELS=/there", "--models=/here"),
              AllOf(HasSubstr("/here"), Not(HasSubstr("/there"))));
  EXPECT_THAT(log_with("PATCHSERVE_MAXBATCH=1", "--models=/here"),
              HasSubstr("patchserve: in the environment, PATCHSERVE_MAXBATCH names no flag"));
}

}  // namespace
}  // namespace patchserve
