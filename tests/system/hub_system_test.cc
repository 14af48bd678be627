// Models of a hub, fetched by the real server from the fake hub.

#include <filesystem>
#include <memory>
#include <string>

#include "inference/grpc_service.grpc.pb.h"
#include "tests/eventually.h"
#include "tests/hub/fake_hub_process.h"
#include "tests/model/random_checkpoint.h"
#include "tests/system/http_get.h"
#include "tests/system/server_fixture.h"

namespace patchserve {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class HubSystemTest : public ::testing::Test {
 protected:
  HubSystemTest() { Commit(kFirstCommit, 1); }

  void Commit(const std::string& commit, int seed) {
    const std::string folder = work.path("checkpoint");
    EXPECT_TRUE(WriteRandomCheckpoint(folder, *NamedCheckpoint("vit_small_patch8_32"), seed).ok());
    hub.Commit("org/name", commit,
               {{"config.json", ReadFile(folder + "/config.json")},
                {"model.safetensors", ReadFile(folder + "/model.safetensors")}});
  }

  std::vector<std::string> Environment(const std::vector<std::string>& more = {}) {
    std::vector<std::string> launcher = {"/usr/bin/env", "HF_ENDPOINT=" + hub.url(),
                                         "HF_HUB_CACHE=" + work.path("cache")};
    launcher.insert(launcher.end(), more.begin(), more.end());
    return launcher;
  }

  void Serve(std::vector<std::string> arguments, const std::vector<std::string>& more = {}) {
    arguments.push_back("--lame_duck=0s");
    server = std::make_unique<ServingProcess>(arguments, Environment(more));
    ASSERT_TRUE(server->serving) << server->process.log();
  }

  v1::Model Get(ServerProcess& process) {
    const auto stub = v1::ImageClassification::NewStub(
        grpc::CreateChannel(process.address(), grpc::InsecureChannelCredentials()));
    grpc::ClientContext context;
    v1::GetModelResponse response;
    EXPECT_TRUE(stub->GetModel(&context, {}, &response).ok());
    return response.model();
  }

  grpc::Status Reload() {
    const auto stub = inference::GRPCInferenceService::NewStub(server->channel);
    grpc::ClientContext context;
    inference::RepositoryModelLoadRequest request;
    inference::RepositoryModelLoadResponse response;
    request.set_model_name("name");
    return stub->RepositoryModelLoad(&context, request, &response);
  }

  FakeHub hub;
  TemporaryFolder work;
  std::unique_ptr<ServingProcess> server;
};

TEST_F(HubSystemTest, AModelIsFetchedAndServedAndItsCommitIsShown) {
  Serve({"--models=hf://org/name"});
  v1::ClassifyResponse response;
  EXPECT_TRUE(server->Classify(EncodedRequest(TestImage("rgb.png"), "name"), &response).ok());
  EXPECT_EQ(Get(server->process).commit(), kFirstCommit);
  EXPECT_THAT(HttpGet(server->process.metrics_address(), "/metrics"),
              HasSubstr("commit=\"" + kFirstCommit + "\""));
  EXPECT_THAT(server->process.log(),
              AllOf(HasSubstr("org/name@" + kFirstCommit + ": fetching model.safetensors: "),
                    HasSubstr("(100 %)"), HasSubstr("is commit " + kFirstCommit)));
}

TEST_F(HubSystemTest, TheConfigFileMayNameAModelOfAHub) {
  const std::string config = work.Write(
      "server.textproto", R"(models { name: "mine" folder: "hf://org/name@main" max_batch: 2 })");
  Serve({"--config=" + config});
  const v1::Model model = Get(server->process);
  EXPECT_EQ(model.name(), "mine");
  EXPECT_EQ(model.max_batch_size(), 2);
  EXPECT_EQ(model.commit(), kFirstCommit);
}

TEST_F(HubSystemTest, WhileItIsFetchedItIsLoadingAndSaysHowFarItIs) {
  hub.Fault("kind=hold&file=model.safetensors&bytes=1000");
  ServerProcess process({"--models=hf://org/name", "--lame_duck=0s"}, Environment());
  ASSERT_TRUE(process.WaitForLog("gRPC on port"));
  v1::Model model;
  Eventually("the download has begun", [&] {
    model = Get(process);
    return model.state_message() != "" &&
           model.state_message().find("config.json") == std::string::npos;
  });
  EXPECT_EQ(model.state(), v1::MODEL_STATE_LOADING);
  EXPECT_THAT(model.state_message(), HasSubstr("fetching model.safetensors: 0.0 of "));
  process.Signal(SIGTERM);  // and the download ends with the server
  EXPECT_EQ(process.WaitForExit(), 0);
}

TEST_F(HubSystemTest, WhatCantBeFetchedEndsTheServerWithTheReason) {
  hub.Write("org/name", "gated", "");
  ServerProcess process({"--models=hf://org/name"}, Environment({"HF_TOKEN=hf_mine"}));
  EXPECT_EQ(process.WaitForExit(), 1);
  process.WaitForLog("the end of the log");
  EXPECT_THAT(process.log(), AllOf(HasSubstr("model name can't be served: the hub answers 403"),
                                   HasSubstr("accept its terms"), Not(HasSubstr("hf_mine"))));
}

TEST_F(HubSystemTest, OfflineTheCacheServes) {
  Serve({"--models=hf://org/name"});
  server.reset();
  const size_t before = hub.Requests().size();
  Serve({"--models=hf://org/name"}, {"HF_HUB_OFFLINE=1"});
  EXPECT_EQ(hub.Requests().size(), before);
  EXPECT_EQ(Get(server->process).commit(), kFirstCommit);
}

TEST_F(HubSystemTest, AReloadAsksTheHubOnlyWhereItMay) {
  Serve({"--models=hf://org/name", "--repository_control"});
  Commit(kSecondCommit, 2);
  const size_t before = hub.Requests().size();
  ASSERT_TRUE(Reload().ok());
  EXPECT_EQ(hub.Requests().size(), before);
  EXPECT_EQ(Get(server->process).commit(), kFirstCommit);
}

TEST_F(HubSystemTest, TwoRevisionsOfAModelAreServedUnderTwoNames) {
  Commit(kSecondCommit, 2);
  Serve({"--models=old=hf://org/name@" + kFirstCommit, "--models=hf://org/name"});
  EXPECT_EQ(Get(server->process).commit(), kSecondCommit);  // the first by name
  EXPECT_EQ(server->Health("old"), "SERVING");
}

TEST_F(HubSystemTest, OnDemandAReloadServesTheNewCommit) {
  Serve({"--models=hf://org/name", "--repository_control", "--hub_on_demand"});
  Commit(kSecondCommit, 2);
  ASSERT_TRUE(Reload().ok());
  EXPECT_EQ(Get(server->process).commit(), kSecondCommit);
}

}  // namespace
}  // namespace patchserve
