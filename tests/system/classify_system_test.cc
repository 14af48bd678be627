// The bundled models through the real binary.

#include <string>
#include <thread>
#include <vector>

#include "tests/system/server_fixture.h"

namespace patchserve {
namespace {

class ClassifySystemTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    server = new ServingProcess({std::string("--models=") + PATCHSERVE_MODELS});
  }
  static void TearDownTestSuite() { delete server; }
  void SetUp() override { ASSERT_TRUE(server->serving) << server->process.log(); }

  static ServingProcess* server;
};

ServingProcess* ClassifySystemTest::server = nullptr;

TEST_F(ClassifySystemTest, TheConvMixerKnowsACatWhenItSeesOne) {
  v1::ClassifyResponse response;
  const grpc::Status status =
      server->Classify(EncodedRequest(TestImage("chelsea.jpg"), "convmixer_cifar10"), &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.predictions(0).label(), "cat");
  EXPECT_EQ(response.predictions_size(), 5);
  EXPECT_EQ(response.image().format(), v1::IMAGE_FORMAT_JPEG);
  EXPECT_EQ(response.version().size(), 12);
}

// The weaker of the two (see its card): the cat is its second guess.
TEST_F(ClassifySystemTest, TheViTHasTheCatAmongItsFirstTwo) {
  v1::ClassifyResponse response;
  ASSERT_TRUE(
      server->Classify(EncodedRequest(TestImage("chelsea.jpg"), "vit_cifar10"), &response).ok());
  std::vector<std::string> first_two;
  for (int rank : {0, 1}) first_two.push_back(response.predictions(rank).label());
  EXPECT_THAT(first_two, ::testing::Contains("cat"));
}

TEST_F(ClassifySystemTest, ManyCallersAtOnceGetTheSameAnswerAsOneAlone) {
  const v1::ClassifyRequest request = EncodedRequest(TestImage("rocket.jpg"));
  v1::ClassifyResponse alone;
  ASSERT_TRUE(server->Classify(request, &alone).ok());
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 8; ++caller) {
    callers.emplace_back([&] {
      for (int i = 0; i < 20; ++i) {
        v1::ClassifyResponse response;
        EXPECT_TRUE(server->Classify(request, &response).ok());
        EXPECT_EQ(response.predictions(0).class_id(), alone.predictions(0).class_id());
        EXPECT_NEAR(response.predictions(0).probability(), alone.predictions(0).probability(),
                    1e-4);
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
}

TEST_F(ClassifySystemTest, HealthKnowsTheServerItsServiceAndItsModels) {
  for (const char* name :
       {"", "liveness", "readiness", "patchserve.v1.ImageClassification", "convmixer_cifar10",
        "vit_cifar10", "vit_cifar10.tensor", "vit_cifar10.pixels"}) {
    EXPECT_EQ(server->Health(name), "SERVING") << name;
  }
  EXPECT_EQ(server->Health("nobody"), "error");
}

TEST_F(ClassifySystemTest, TheModelsAreListedReadyAndHaveTheirClasses) {
  grpc::ClientContext context;
  v1::ListModelsResponse response;
  ASSERT_TRUE(server->stub->ListModels(&context, {}, &response).ok());
  ASSERT_EQ(response.models_size(), 2);
  for (const v1::Model& model : response.models()) {
    EXPECT_EQ(model.state(), v1::MODEL_STATE_READY);
    grpc::ClientContext one;
    v1::GetModelRequest request;
    v1::GetModelResponse found;
    request.set_name(model.name());
    ASSERT_TRUE(server->stub->GetModel(&one, request, &found).ok());
    EXPECT_EQ(found.model().classes_size(), 10);
    EXPECT_EQ(found.model().classes(3).label(), "cat");
    EXPECT_EQ(model.preprocessing().input_width(), 32);
  }
}

}  // namespace
}  // namespace patchserve
