#include "server/rpc/inference_service.h"

#include "server/rpc/infer_options.h"
#include "tests/rpc/infer_fixture.h"

namespace patchserve {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class InferenceServiceTest : public InferTest {
 protected:
  inference::ModelMetadataResponse Metadata(const std::string& name) {
    grpc::ClientContext context;
    inference::ModelMetadataRequest request;
    inference::ModelMetadataResponse metadata;
    request.set_name(name);
    EXPECT_TRUE(oip->ModelMetadata(&context, request, &metadata).ok());
    return metadata;
  }

  inference::ModelConfig Config(const std::string& name) {
    grpc::ClientContext context;
    inference::ModelConfigRequest request;
    inference::ModelConfigResponse config;
    request.set_name(name);
    EXPECT_TRUE(oip->ModelConfig(&context, request, &config).ok());
    return config.config();
  }

  inference::ModelStatisticsResponse Statistics(const std::string& name) {
    grpc::ClientContext context;
    inference::ModelStatisticsRequest request;
    inference::ModelStatisticsResponse statistics;
    request.set_name(name);
    EXPECT_TRUE(oip->ModelStatistics(&context, request, &statistics).ok());
    return statistics;
  }

  bool ServerReady() {
    grpc::ClientContext context;
    inference::ServerReadyResponse ready;
    EXPECT_TRUE(oip->ServerReady(&context, {}, &ready).ok());
    return ready.ready();
  }

  bool ModelReady(const std::string& name, const std::string& version = "") {
    grpc::ClientContext context;
    inference::ModelReadyRequest request;
    inference::ModelReadyResponse ready;
    request.set_name(name);
    request.set_version(version);
    EXPECT_TRUE(oip->ModelReady(&context, request, &ready).ok());
    return ready.ready();
  }
};

class EncoderServiceTest : public InferenceServiceTest {
 protected:
  EncoderServiceTest() { model.classifies = false; }
};

TEST_F(InferenceServiceTest, IsLiveAndSaysWhatItImplements) {
  grpc::ClientContext context, other;
  inference::ServerLiveResponse live;
  ASSERT_TRUE(oip->ServerLive(&context, {}, &live).ok());
  EXPECT_TRUE(live.live());
  inference::ServerMetadataResponse metadata;
  ASSERT_TRUE(oip->ServerMetadata(&other, {}, &metadata).ok());
  EXPECT_EQ(metadata.name(), "patchserve");
  EXPECT_EQ(metadata.version(), "0.0");
  EXPECT_THAT(metadata.extensions(), ElementsAre("classification", "model_configuration",
                                                 "schedule_policy", "statistics"));
}

TEST_F(InferenceServiceTest, ReadinessIsHealths) {
  EXPECT_FALSE(ServerReady());
  EXPECT_FALSE(ModelReady("fake"));
  health.Set("", true);
  health.Set("fake", true);
  EXPECT_TRUE(ServerReady());
  EXPECT_TRUE(ModelReady("fake"));
  EXPECT_TRUE(ModelReady("fake.tensor", "1"));
  EXPECT_FALSE(ModelReady("fake", "2"));
  EXPECT_FALSE(ModelReady("nobody"));
  health.EndServing("");
  EXPECT_FALSE(ServerReady());
}

TEST_F(InferenceServiceTest, AModelHasOneInputAndOneOutputUnderEachName) {
  const auto metadata = Metadata("fake");
  EXPECT_EQ(metadata.name(), "fake");
  EXPECT_THAT(metadata.versions(), ElementsAre("1"));
  ASSERT_EQ(metadata.inputs_size(), 1);
  EXPECT_EQ(metadata.inputs(0).name(), "image");
  EXPECT_EQ(metadata.inputs(0).datatype(), "BYTES");
  EXPECT_THAT(metadata.inputs(0).shape(), ElementsAre(-1, 1));
  ASSERT_EQ(metadata.outputs_size(), 1);
  EXPECT_EQ(metadata.outputs(0).name(), "probabilities");
  EXPECT_EQ(metadata.outputs(0).datatype(), "FP32");
  EXPECT_THAT(metadata.outputs(0).shape(), ElementsAre(-1, 3));

  EXPECT_EQ(Metadata("fake.pixels").inputs(0).datatype(), "UINT8");
  EXPECT_THAT(Metadata("fake.pixels").inputs(0).shape(), ElementsAre(-1, -1, -1, 3));
  EXPECT_EQ(Metadata("fake.tensor").inputs(0).datatype(), "FP32");
  EXPECT_THAT(Metadata("fake.tensor").inputs(0).shape(), ElementsAre(-1, 3, 2, 2));
}

TEST_F(EncoderServiceTest, TheOneOutputIsTheEmbedding) {
  const auto metadata = Metadata("fake");
  ASSERT_EQ(metadata.outputs_size(), 1);
  EXPECT_EQ(metadata.outputs(0).name(), "embedding");
  EXPECT_THAT(metadata.outputs(0).shape(), ElementsAre(-1, 2));
  EXPECT_EQ(Config("fake").output(0).name(), "embedding");
  EXPECT_THAT(Config("fake").output(0).dims(), ElementsAre(2));
}

TEST_F(InferenceServiceTest, TheConfigurationAgreesWithTheMetadata) {
  const inference::ModelConfig config = Config("fake.tensor");
  EXPECT_EQ(config.name(), "fake.tensor");
  EXPECT_EQ(config.max_batch_size(), 20);          // 48 bytes each, in a message of 1000
  EXPECT_EQ(Config("fake").max_batch_size(), 22);  // a quarter of 0.9 of max_queue
  EXPECT_EQ(config.parameters().at("mean").string_value(), "0.485, 0.456, 0.406");
  EXPECT_EQ(config.parameters().at("std").string_value(), "0.229, 0.224, 0.225");
  ASSERT_EQ(config.input_size(), 1);
  EXPECT_EQ(config.input(0).data_type(), inference::TYPE_FP32);
  EXPECT_EQ(config.input(0).format(), inference::ModelInput::FORMAT_NCHW);
  EXPECT_THAT(config.input(0).dims(), ElementsAre(3, 2, 2));
  EXPECT_EQ(config.output(0).name(), "probabilities");
  EXPECT_THAT(config.output(0).dims(), ElementsAre(3));
  EXPECT_EQ(Config("fake").input(0).data_type(), inference::TYPE_STRING);
}

TEST_F(InferenceServiceTest, StatisticsCountRequestsImagesAndBatches) {
  const std::string file = ColourFile(1, 2, 3);
  ASSERT_TRUE(Infer(FileRequest({file, file, file})).ok());
  ASSERT_TRUE(Infer(FileRequest({file})).ok());
  EXPECT_FALSE(Infer(FileRequest({file, "no image"})).ok());
  EXPECT_FALSE(Infer(RawRequest("fake", "FP32", {1}, "")).ok());
  v1::ClassifyResponse typed;
  ASSERT_TRUE(Call(ColourRequest(1, 2, 3), &typed).ok());

  ASSERT_EQ(Statistics("fake").model_stats_size(), 1);
  const inference::ModelStatistics model_stats = Statistics("fake").model_stats(0);
  EXPECT_EQ(model_stats.name(), "fake");
  EXPECT_EQ(model_stats.version(), "1");
  EXPECT_EQ(model_stats.inference_count(), 5);
  EXPECT_EQ(model_stats.inference_stats().success().count(), 3);
  EXPECT_EQ(model_stats.inference_stats().fail().count(), 2);
  EXPECT_EQ(model_stats.inference_stats().queue().count(), 3);
  EXPECT_EQ(model_stats.inference_stats().compute_input().count(), 3);
  EXPECT_EQ(model_stats.inference_stats().compute_infer().count(), 3);
  EXPECT_EQ(model_stats.inference_stats().compute_output().count(), 3);
  EXPECT_GT(model_stats.inference_stats().success().ns(), 0);
  EXPECT_GT(model_stats.last_inference(), 0);
}

TEST_F(InferenceServiceTest, BatchStatisticsAddUpToTheImages) {
  const std::string file = ColourFile(1, 2, 3);
  ASSERT_TRUE(Infer(FileRequest(std::vector<std::string>(10, file))).ok());
  const inference::ModelStatistics model_stats = Statistics("").model_stats(0);
  uint64_t images = 0, batches = 0;
  for (const auto& batch : model_stats.batch_stats()) {
    images += batch.batch_size() * batch.compute_infer().count();
    batches += batch.compute_infer().count();
  }
  EXPECT_EQ(images, 10);
  EXPECT_EQ(model_stats.execution_count(), batches);
}

TEST_F(InferenceServiceTest, TheIndexListsEveryModelWithItsState) {
  grpc::ClientContext context, other;
  inference::RepositoryIndexResponse index;
  ASSERT_TRUE(oip->RepositoryIndex(&context, {}, &index).ok());
  ASSERT_EQ(index.models_size(), 2);
  EXPECT_EQ(index.models(0).name(), "fake");
  EXPECT_EQ(index.models(0).state(), "READY");
  EXPECT_EQ(index.models(1).state(), "LOADING");
  inference::RepositoryIndexRequest ready;
  ready.set_ready(true);
  ASSERT_TRUE(oip->RepositoryIndex(&other, ready, &index).ok());
  EXPECT_EQ(index.models_size(), 1);
}

TEST(InferOptionsTest, PriorityOneIsTheHighest) {
  auto criticality = [](inference::InferParameter priority) {
    inference::ModelInferRequest request;
    (*request.mutable_parameters())["priority"] = priority;
    return ReadOptions(request, {})->criticality;
  };
  EXPECT_EQ(ReadOptions({}, {})->criticality, Criticality::kDefault);
  EXPECT_EQ(criticality(Number(0)), Criticality::kDefault);
  EXPECT_EQ(criticality(Number(1)), Criticality::kCritical);
  EXPECT_EQ(criticality(Number(2)), Criticality::kDefault);
  EXPECT_EQ(criticality(Number(3)), Criticality::kSheddable);
  inference::InferParameter unsigned_one;
  unsigned_one.set_uint64_param(1);
  EXPECT_EQ(criticality(unsigned_one), Criticality::kCritical);
}

class RepositoryTest : public InferenceServiceTest {
 protected:
  void SetUp() override {
    auto load = [this](const std::string& name,
                       ModelChanges::Reason) -> decltype(registry.Find("")) {
      asked.push_back(name);
      if (name == "slow") return absl::InvalidArgumentError("no such tensor");
      const std::shared_ptr<ServedModel> served = model.Served(name);
      classifier->Schedule(served);
      return served;
    };
    changes = std::make_unique<ModelChanges>(registry, load, [](const std::string&) {});
    InferenceServiceTest::SetUp();
  }
  void TearDown() override {
    changes->Stop();
    InferenceServiceTest::TearDown();
  }

  grpc::Status Load(const inference::RepositoryModelLoadRequest& request) {
    grpc::ClientContext context;
    return oip->RepositoryModelLoad(&context, request, &loaded);
  }

  std::vector<std::string> asked;  // to be loaded
  inference::RepositoryModelLoadResponse loaded;
};

TEST_F(RepositoryTest, TheNameMayBeInEitherField) {
  inference::RepositoryModelLoadRequest triton, kserve;
  triton.set_model_name("fake");
  kserve.set_repository_name("fake");
  EXPECT_TRUE(Load(triton).ok());
  EXPECT_TRUE(Load(kserve).ok());
  EXPECT_THAT(asked, ElementsAre("fake", "fake"));
  EXPECT_EQ(loaded.model_name(), "fake");
  EXPECT_TRUE(loaded.isloaded());
}

TEST_F(RepositoryTest, TheExtensionIsAdvertised) {
  grpc::ClientContext context;
  inference::ServerMetadataResponse metadata;
  ASSERT_TRUE(oip->ServerMetadata(&context, {}, &metadata).ok());
  EXPECT_THAT(metadata.extensions(), ::testing::Contains("model_repository"));
}

TEST_F(RepositoryTest, AModelIsLoadedByTheNameOfAnyOfItsInputs) {
  for (const char* name : {"fake.tensor", "fake.pixels"}) {
    inference::RepositoryModelLoadRequest request;
    request.set_model_name(name);
    EXPECT_TRUE(Load(request).ok()) << name;
    EXPECT_EQ(asked.back(), "fake");
  }
}

TEST_F(RepositoryTest, AnErrorOfLoadingIsPassedOn) {
  inference::RepositoryModelLoadRequest request;
  request.set_model_name("slow");
  const grpc::Status status = Load(request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("no such tensor"));
}

TEST_F(RepositoryTest, NoParameterIsTaken) {
  inference::RepositoryModelLoadRequest request;
  request.set_model_name("fake");
  (*request.mutable_parameters())["config"].set_string_param("{}");
  EXPECT_EQ(Load(request).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_TRUE(asked.empty());
}

TEST_F(RepositoryTest, AModelThatIsUnloadedAndLoadedAgainCountsOn) {
  ASSERT_TRUE(Infer(FileRequest({ColourFile(1, 2, 3)})).ok());
  grpc::ClientContext unload;
  inference::RepositoryModelUnloadRequest away;
  inference::RepositoryModelUnloadResponse unloaded;
  away.set_model_name("fake");
  ASSERT_TRUE(oip->RepositoryModelUnload(&unload, away, &unloaded).ok());
  EXPECT_EQ(Statistics("").model_stats_size(), 0);
  inference::RepositoryModelLoadRequest again;
  again.set_model_name("fake");
  ASSERT_TRUE(Load(again).ok());
  EXPECT_EQ(Statistics("fake").model_stats(0).inference_count(), 1);
}

TEST_F(RepositoryTest, AnUnloadedModelIsUnavailableAndInTheIndex) {
  grpc::ClientContext unload, infer, index;
  inference::RepositoryModelUnloadRequest request;
  request.set_model_name("fake");
  inference::RepositoryModelUnloadResponse unloaded;
  ASSERT_TRUE(oip->RepositoryModelUnload(&unload, request, &unloaded).ok());
  EXPECT_TRUE(unloaded.isunloaded());
  inference::ModelInferResponse answer;
  EXPECT_EQ(oip->ModelInfer(&infer, FileRequest({ColourFile(1, 2, 3)}), &answer).error_code(),
            grpc::StatusCode::UNAVAILABLE);
  inference::RepositoryIndexResponse models;
  ASSERT_TRUE(oip->RepositoryIndex(&index, {}, &models).ok());
  EXPECT_EQ(models.models(0).state(), "UNAVAILABLE");
}

TEST_F(InferenceServiceTest, WithoutChangesNothingIsLoadedOrUnloaded) {
  grpc::ClientContext load, unload;
  inference::RepositoryModelLoadResponse loaded;
  inference::RepositoryModelUnloadResponse unloaded;
  EXPECT_EQ(oip->RepositoryModelLoad(&load, {}, &loaded).error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(oip->RepositoryModelUnload(&unload, {}, &unloaded).error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
}

}  // namespace
}  // namespace patchserve
