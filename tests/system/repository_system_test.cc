// Loading, replacing and unloading models while the real server serves.

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "inference/grpc_service.grpc.pb.h"
#include "tests/model/random_checkpoint.h"
#include "tests/system/http_get.h"
#include "tests/system/server_fixture.h"
#include "tests/temporary_folder.h"

namespace patchserve {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class RepositorySystemTest : public ::testing::Test {
 protected:
  RepositorySystemTest() {
    Write("a", 1);
    Write("b", 100);
  }

  void Write(const std::string& name, int seed) {
    const auto spec = NamedCheckpoint("vit_small_patch8_32");
    EXPECT_TRUE(WriteRandomCheckpoint(folder.path("models/" + name), *spec, seed).ok());
  }

  void Serve() {
    server = std::make_unique<ServingProcess>(std::vector<std::string>{
        "--models=" + folder.path("models"), "--repository_control", "--lame_duck=0s"});
    ASSERT_TRUE(server->serving) << server->process.log();
    oip = inference::GRPCInferenceService::NewStub(server->channel);
  }

  using Stub = inference::GRPCInferenceService::Stub;

  template <typename Request, typename Response>
  grpc::Status Change(grpc::Status (Stub::*rpc)(grpc::ClientContext*, const Request&, Response*),
                      const std::string& name) {
    grpc::ClientContext context;
    Request request;
    Response response;
    request.set_model_name(name);
    return (oip.get()->*rpc)(&context, request, &response);
  }

  grpc::Status Load(const std::string& name) { return Change(&Stub::RepositoryModelLoad, name); }

  grpc::Status Unload(const std::string& name) {
    return Change(&Stub::RepositoryModelUnload, name);
  }

  grpc::Status Classify(const std::string& name) {
    v1::ClassifyResponse response;
    const grpc::Status status =
        server->Classify(EncodedRequest(TestImage("chelsea.jpg"), name), &response);
    version = response.version();
    return status;
  }

  std::string Metrics() { return HttpGet(server->process.metrics_address(), "/metrics"); }

  TemporaryFolder folder;
  std::unique_ptr<ServingProcess> server;
  std::unique_ptr<Stub> oip;
  std::string version;  // that answered last
};

TEST_F(RepositorySystemTest, AModelIsReplacedUnderLoadWithoutAFailedRequest) {
  Serve();
  ASSERT_TRUE(Classify("a").ok());
  const std::string before = version;
  std::atomic<bool> enough = false;
  std::atomic<int> failed = 0;
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&] {
      const v1::ClassifyRequest request = EncodedRequest(TestImage("chelsea.jpg"), "a");
      while (!enough) {
        v1::ClassifyResponse response;
        if (!server->Classify(request, &response).ok()) ++failed;
      }
    });
  }
  for (int seed = 2; seed <= 5; ++seed) {
    Write("a", seed);
    const grpc::Status status = Load("a");
    EXPECT_TRUE(status.ok()) << status.error_message();
  }
  enough = true;
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(failed, 0);
  ASSERT_TRUE(Classify("a").ok());
  EXPECT_NE(version, before);
  EXPECT_THAT(Metrics(), HasSubstr("version=\"" + version + "\"} 1"));
  EXPECT_THAT(Metrics(), Not(HasSubstr("version=\"" + before + "\"")));
}

TEST_F(RepositorySystemTest, ABrokenFolderLeavesTheOldModelServingAndSaysWhy) {
  Serve();
  folder.Write("models/a/config.json", R"({"architecture": "resnet50"})");
  const grpc::Status status = Load("a");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("resnet50"));
  EXPECT_TRUE(Classify("a").ok());
  EXPECT_EQ(server->Health("a"), "SERVING");
  EXPECT_EQ(server->Health(""), "SERVING");
}

TEST_F(RepositorySystemTest, AnUnloadedModelIsUnavailableAndComesBack) {
  Serve();
  ASSERT_TRUE(Unload("a").ok());
  EXPECT_EQ(Classify("a").error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_TRUE(Classify("b").ok());
  EXPECT_EQ(server->Health("a"), "NOT_SERVING");
  EXPECT_EQ(server->Health(""), "SERVING");
  EXPECT_THAT(Metrics(), HasSubstr("patchserve_model_ready{model=\"a\"} 0"));
  EXPECT_THAT(Metrics(), Not(HasSubstr("patchserve_model_info{architecture=\"vit_small_patch8_32\","
                                       "device=\"cpu\",model=\"a\"")));
  ASSERT_TRUE(Load("a").ok());
  EXPECT_TRUE(Classify("a").ok());
  EXPECT_EQ(server->Health("a"), "SERVING");
}

TEST_F(RepositorySystemTest, OnlyConfiguredModelsAreLoaded) {
  Serve();
  EXPECT_EQ(Load("c").error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(Load("../models/a").error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(Load("").error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(Unload("c").error_code(), grpc::StatusCode::NOT_FOUND);
}

}  // namespace
}  // namespace patchserve
