#include "server/rpc/classification_service.h"

#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "grpcpp/impl/codegen/client_unary_call.h"
#include "tests/rpc/garbage.h"
#include "tests/rpc/service_fixture.h"

namespace patchserve {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using ClassificationServiceTest = ServiceTest;

using Upload = grpc::ClientReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>;

// A call of Classify whose message isn't sent yet.
std::unique_ptr<Upload> BeginClassify(const std::shared_ptr<grpc::Channel>& channel,
                                      grpc::ClientContext& context) {
  const grpc::internal::RpcMethod method("/patchserve.v1.ImageClassification/Classify",
                                         grpc::internal::RpcMethod::BIDI_STREAMING);
  using Factory = grpc::internal::ClientReaderWriterFactory<grpc::ByteBuffer, grpc::ByteBuffer>;
  return std::unique_ptr<Upload>(Factory::Create(channel.get(), method, &context));
}

class EncoderClassificationServiceTest : public ServiceTest {
 protected:
  EncoderClassificationServiceTest() { model.classifies = false; }
};

TEST_F(ClassificationServiceTest, AnswersWithRankedClassesAndEchoesTheId) {
  v1::ClassifyRequest request = ColourRequest(9, 1, 2);
  request.set_id("photo 7");
  v1::ClassifyResponse response;
  const grpc::Status status = Call(request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.id(), "photo 7");
  EXPECT_EQ(response.model(), "fake");
  EXPECT_EQ(response.version(), "0123456789ab");
  ASSERT_EQ(response.predictions_size(), 3);
  EXPECT_EQ(response.predictions(0).label(), "red");
  EXPECT_EQ(response.predictions(0).description(), "Red");
  EXPECT_EQ(response.predictions(1).label(), "blue");
  EXPECT_FALSE(response.predictions(0).has_logit());
  EXPECT_EQ(response.batch_size(), 1);
  EXPECT_EQ(response.image().format(), v1::IMAGE_FORMAT_RAW);
  EXPECT_EQ(response.image().orientation(), 1);
  EXPECT_GT(response.timings().run().nanos(), 0);
}

TEST_F(ClassificationServiceTest, LogitsAndEmbeddingComeOnlyIfAskedFor) {
  v1::ClassifyRequest request = ColourRequest(9, 1, 2);
  request.set_logits(true);
  request.set_embedding(true);
  request.set_top_k(1);
  v1::ClassifyResponse response;
  ASSERT_TRUE(Call(request, &response).ok());
  ASSERT_EQ(response.predictions_size(), 1);
  EXPECT_EQ(response.predictions(0).logit(), 9);
  EXPECT_THAT(response.embedding(), ElementsAre(9, 1));
}

TEST_F(ClassificationServiceTest, AnErrorKeepsItsCodeAndMessage) {
  v1::ClassifyRequest request = ColourRequest(9, 1, 2);
  request.set_top_k(0);
  v1::ClassifyResponse response;
  const grpc::Status status = Call(request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("top_k is 0"));
}

TEST_F(ClassificationServiceTest, AHugeModelNameIsNotFoundAndNotSentBackWhole) {
  v1::ClassifyRequest request = ColourRequest(9, 1, 2);
  request.set_model(std::string(50'000, 'x'));
  v1::ClassifyResponse response;
  const grpc::Status status = Call(request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND) << status.error_message();
  EXPECT_LT(status.error_message().size(), 500);
}

TEST_F(ClassificationServiceTest, ARawImageNeedsAFormat) {
  v1::ClassifyRequest request = ColourRequest(9, 1, 2);
  request.mutable_raw()->clear_format();
  v1::ClassifyResponse response;
  EXPECT_EQ(Call(request, &response).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(ClassificationServiceTest, AnUnknownCriticalityIsInvalid) {
  v1::ClassifyRequest request = ColourRequest(9, 1, 2);
  request.set_criticality(static_cast<v1::Criticality>(77));
  v1::ClassifyResponse response;
  EXPECT_EQ(Call(request, &response).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(ClassificationServiceTest, ACallThatIsCancelledInTheQueueIsNotRun) {
  model.Hold();
  v1::ClassifyResponse ignored;
  std::thread first([this] {
    v1::ClassifyResponse response;
    EXPECT_TRUE(Call(ColourRequest(1, 2, 3), &response).ok());
  });
  model.WaitUntilBusy(1);
  grpc::ClientContext context;
  std::thread second([&] {
    v1::ClassifyResponse response;
    EXPECT_EQ(stub->Classify(&context, ColourRequest(1, 2, 3), &response).error_code(),
              grpc::StatusCode::CANCELLED);
  });
  WaitUntilShows("patchserve_in_flight 2");
  context.TryCancel();
  second.join();
  WaitUntilShows("patchserve_in_flight 1");  // without a batch's end
  model.Release();
  first.join();
  WaitUntilShows("patchserve_in_flight 0");
  EXPECT_TRUE(Shows("patchserve_requests_total{code=\"CANCELLED\",model=\"fake\"} 1"));
  EXPECT_THAT(model.batch_sizes(), ElementsAre(1));
}

TEST_F(ClassificationServiceTest, TheClientsDeadlineReachesTheQueue) {
  model.Hold();
  std::thread first([this] {
    v1::ClassifyResponse response;
    EXPECT_TRUE(Call(ColourRequest(1, 2, 3), &response).ok());
  });
  model.WaitUntilBusy(1);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(50));
  v1::ClassifyResponse response;
  EXPECT_EQ(stub->Classify(&context, ColourRequest(1, 2, 3), &response).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  WaitUntilShows("patchserve_in_flight 1");  // without a batch's end
  model.Release();
  first.join();
  EXPECT_THAT(model.batch_sizes(), ElementsAre(1));
}

TEST_F(ClassificationServiceTest, ARefusalSaysWhenToTryAgain) {
  model.Hold();
  std::vector<std::thread> waiting;
  for (int i = 0; i < 101; ++i) {  // one runs, a hundred may wait, the last ten critical ones
    waiting.emplace_back([this] {
      v1::ClassifyResponse response;
      v1::ClassifyRequest request = ColourRequest(1, 2, 3);
      request.set_criticality(v1::CRITICALITY_CRITICAL);
      EXPECT_TRUE(Call(request, &response).ok());
    });
    if (i == 0) model.WaitUntilBusy(1);
  }
  WaitUntilShows("patchserve_queue_depth{model=\"fake\"} 100");
  grpc::ClientContext context;
  v1::ClassifyResponse response;
  const grpc::Status status = stub->Classify(&context, ColourRequest(1, 2, 3), &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  const auto trailer = context.GetServerTrailingMetadata().find("grpc-retry-pushback-ms");
  ASSERT_NE(trailer, context.GetServerTrailingMetadata().end());
  EXPECT_GE(std::stoi(std::string(trailer->second.data(), trailer->second.size())), 10);
  model.Release();
  for (std::thread& thread : waiting) thread.join();
}

TEST_F(ClassificationServiceTest, AMessageThatCantBeParsedIsInvalidWhateverTheMethodAndCounted) {
  const std::string ours = "/patchserve.v1.ImageClassification/";
  const std::string open = "/inference.GRPCInferenceService/";
  int calls = 0;
  for (const std::string& method :
       {ours + "Classify", ours + "ListModels", ours + "GetModel", ours + "ClassifyStream",
        open + "ServerLive", open + "ServerReady", open + "ModelReady", open + "ServerMetadata",
        open + "ModelMetadata", open + "ModelConfig", open + "ModelInfer",
        open + "ModelStreamInfer", open + "ModelStatistics", open + "RepositoryIndex",
        open + "RepositoryModelLoad", open + "RepositoryModelUnload"}) {
    const grpc::Status status = CallWithGarbage(channel, method);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << method;
    EXPECT_THAT(status.error_message(), HasSubstr("can't be parsed")) << method;
    ++calls;
    EXPECT_THAT(metrics->Scrape(),
                HasSubstr(absl::StrCat("{code=\"INVALID_ARGUMENT\",model=\"\"} ", calls, "\n")));
  }
}

TEST_F(ClassificationServiceTest, ACallerThatGivesUpBeforeItHasSentAllIsCountedAsCancelled) {
  grpc::ClientContext context;
  const auto upload = BeginClassify(channel, context);
  context.TryCancel();
  EXPECT_EQ(upload->Finish().error_code(), grpc::StatusCode::CANCELLED);
  WaitUntilShows("patchserve_requests_total{code=\"CANCELLED\",model=\"\"} 1");
}

TEST_F(ClassificationServiceTest, ACallWithoutAMessageIsInvalid) {
  grpc::ClientContext context;
  const auto upload = BeginClassify(channel, context);
  upload->WritesDone();
  const grpc::Status status = upload->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), "the call has no message");
  WaitUntilShows("patchserve_requests_total{code=\"INVALID_ARGUMENT\",model=\"\"} 1");
}

TEST_F(ClassificationServiceTest, WhatTakesNoImageTakesNoLongMessage) {
  grpc::ClientContext context;
  v1::GetModelRequest request;
  request.set_name(std::string(5000, 'x'));
  v1::GetModelResponse response;
  const grpc::Status status = stub->GetModel(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("at most 4096 bytes"));
}

TEST_F(ClassificationServiceTest, ListsEveryModelWithItsState) {
  grpc::ClientContext context;
  v1::ListModelsResponse response;
  ASSERT_TRUE(stub->ListModels(&context, {}, &response).ok());
  ASSERT_EQ(response.models_size(), 2);
  EXPECT_EQ(response.models(0).name(), "fake");
  EXPECT_EQ(response.models(0).state(), v1::MODEL_STATE_READY);
  EXPECT_TRUE(response.models(0).is_default());
  EXPECT_EQ(response.models(0).classes_size(), 0);  // GetModel has them
  EXPECT_EQ(response.models(0).num_classes(), 3);
  EXPECT_EQ(response.models(0).preprocessing().input_width(), 2);
  EXPECT_EQ(response.models(1).name(), "slow");
  EXPECT_EQ(response.models(1).state(), v1::MODEL_STATE_LOADING);
  EXPECT_FALSE(response.models(1).has_num_classes());
}

TEST_F(EncoderClassificationServiceTest, ItsModelHasNoClassesAndAnswersNormalizedEmbeddings) {
  grpc::ClientContext context;
  v1::GetModelResponse got;
  ASSERT_TRUE(stub->GetModel(&context, {}, &got).ok());
  EXPECT_TRUE(got.model().has_num_classes());
  EXPECT_EQ(got.model().num_classes(), 0);
  EXPECT_EQ(got.model().embedding_size(), 2);

  v1::ClassifyRequest request = ColourRequest(3, 4, 0);
  v1::ClassifyResponse response;
  const grpc::Status refused = Call(request, &response);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(refused.error_message(), HasSubstr("has no classifier"));
  request.set_embedding(true);
  request.set_normalize_embedding(true);
  ASSERT_TRUE(Call(request, &response).ok());
  EXPECT_EQ(response.predictions_size(), 0);
  EXPECT_THAT(response.embedding(), ElementsAre(0.6f, 0.8f));
}

TEST_F(ClassificationServiceTest, GetModelFindsTheDefaultAndRefusesTheUnknown) {
  grpc::ClientContext context, other;
  v1::GetModelResponse response;
  ASSERT_TRUE(stub->GetModel(&context, {}, &response).ok());
  EXPECT_EQ(response.model().name(), "fake");
  EXPECT_EQ(response.model().classes(1).label(), "green");
  v1::GetModelRequest unknown;
  unknown.set_name("nobody");
  EXPECT_EQ(stub->GetModel(&other, unknown, &response).error_code(), grpc::StatusCode::NOT_FOUND);
}

}  // namespace
}  // namespace patchserve
