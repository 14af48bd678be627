// The engine over a graph device that computes on the CPU.
#include "server/model/recorded_network.h"

#include <gmock/gmock.h>

#include <barrier>
#include <latch>
#include <new>
#include <thread>

#include "server/model/engine.h"
#include "tests/model/fake_graph_device.h"
#include "tests/model/pixels.h"
#include "tests/model/random_checkpoint.h"
#include "tests/model/status_matchers.h"
#include "tests/temporary_folder.h"

namespace patchserve {
namespace {

using testing::FloatNear;
using testing::HasSubstr;
using testing::Pointwise;

class RecordedNetworkTest : public testing::Test {
 protected:
  explicit RecordedNetworkTest(const std::string& name = "convmixer_small") { Write(name); }

  void Write(const std::string& name) {
    spec_ = NamedCheckpoint(name).value();
    folder_.Write("config.json", ConfigJson(spec_));
    folder_.Write("model.safetensors", SafetensorsFile(RandomTensors(spec_, 1)));
  }
  std::unique_ptr<Engine> Load(Precision precision = Precision::kFloat32, int max_batch = 8) {
    return Engine::Load(folder_.path(), {.device = "cpu",
                                         .precision = precision,
                                         .graphs = &device_,
                                         .max_batch = max_batch})
        .value();
  }
  std::unique_ptr<Engine> LoadWithoutGraphs(Precision precision = Precision::kFloat32) {
    return Engine::Load(folder_.path(), {.device = "cpu", .precision = precision}).value();
  }
  // The device fails at that step, so many times from now on.
  void FailAt(const std::string& name, int times, std::exception_ptr with) {
    device_.step = [name, left = std::make_shared<std::atomic<int>>(times),
                    with](const std::string& at) {
      if (at == name && left->fetch_sub(1) > 0) std::rethrow_exception(with);
    };
  }
  static std::exception_ptr OutOfMemory() {
    return std::make_exception_ptr(std::runtime_error("CUDA out of memory"));
  }
  static std::exception_ptr Broken() {
    return std::make_exception_ptr(std::runtime_error("operation not permitted when capturing"));
  }

  TemporaryFolder folder_;
  RandomCheckpoint spec_;
  FakeGraphDevice device_;
  // Three images and a tensor, where the device can read them.
  std::vector<std::shared_ptr<uint8_t>> photos_ = {device_.Image(Pixels(0, 3 * 32 * 32)),
                                                   device_.Image(Pixels(1, 3 * 32 * 32)),
                                                   device_.Image(Pixels(2, 3 * 32 * 32))};
  std::shared_ptr<float> tensor_ = device_.Image(std::vector<float>(3 * 32 * 32, 0.25f));
  std::vector<ModelInput> inputs_ = {photos_[0].get(), photos_[1].get(), tensor_.get(),
                                     photos_[2].get()};
};

TEST_F(RecordedNetworkTest, AnswersAsTheNetworkDoesOperatorByOperator) {
  for (const char* name : {"vit_small_patch8_32", "convmixer_small"}) {
    for (const auto& [precision, error] :
         {std::pair{Precision::kFloat32, 1e-5}, std::pair{Precision::kBFloat16, 2e-2}}) {
      Write(name);
      const auto graphs = Load(precision), plain = LoadWithoutGraphs(precision);
      const auto expected = plain->Forward(inputs_, 8, /*embeddings=*/true).value();
      const auto output = graphs->Forward(inputs_, 8, /*embeddings=*/true).value();
      EXPECT_THAT(output.logits, Pointwise(FloatNear(error), expected.logits)) << name;
      EXPECT_THAT(output.embeddings, Pointwise(FloatNear(error), expected.embeddings)) << name;
    }
  }
  EXPECT_EQ(device_.ran, 4);
}

TEST_F(RecordedNetworkTest, WhatAnEarlierBatchLeftChangesNoAnswer) {
  const auto engine = Load();
  const auto alone = engine->Forward({inputs_[3]}, 1, false).value();
  const std::vector<float> nan(3 * 32 * 32, std::numeric_limits<float>::quiet_NaN());
  const auto not_numbers = device_.Image(nan);
  const std::vector<ModelInput> bad(8, not_numbers.get());
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(engine->Forward(bad, 8, false).ok());
  const auto padded = engine->Forward({inputs_[3]}, 8, false).value();
  EXPECT_THAT(padded.logits, Pointwise(FloatNear(1e-5), alone.logits));
  EXPECT_TRUE(padded.embeddings.empty());
}

TEST_F(RecordedNetworkTest, ABucketIsRecordedOnceForEachBatchInFlight) {
  const auto engine = Load();
  int first_runs = 0;
  device_.step = [&](const std::string& at) { first_runs += at == "first run"; };
  for (int i = 0; i < 3; ++i) {
    for (int bucket : {4, 8}) ASSERT_TRUE(engine->Forward(inputs_, bucket, true).ok());
  }
  EXPECT_EQ(device_.recorded, 2 * RecordedNetwork::kInFlight);
  EXPECT_EQ(first_runs, 2 * RecordedNetwork::kInFlight);
}

TEST_F(RecordedNetworkTest, TwoBatchesAreInFlightAndAThirdWaits) {
  const auto engine = Load();
  const auto expected = engine->Forward(inputs_, 4, false).value();
  std::barrier both(2);  // the third comes alone, and a fourth with it
  device_.step = [&](const std::string& at) {
    if (at == "gather") both.arrive_and_wait();
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      const auto output = engine->Forward(inputs_, 4, false);
      EXPECT_THAT(output->logits, Pointwise(FloatNear(1e-5), expected.logits));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(device_.at_once, RecordedNetwork::kInFlight);
}

TEST_F(RecordedNetworkTest, MoreImagesThanAGatherTakesAreGatheredInParts) {
  const auto engine = Load(Precision::kFloat32, /*max_batch=*/300);
  std::vector<ModelInput> many(300, inputs_[0]);
  many[299] = inputs_[1];
  const auto one = engine->Forward({inputs_[1]}, 1, false).value();
  const auto output = engine->Forward(many, 300, false).value();
  EXPECT_THAT(absl::MakeConstSpan(output.logits).subspan(299 * 10),
              Pointwise(FloatNear(1e-5), one.logits));
}

TEST_F(RecordedNetworkTest, ABucketThatFindsNoMemoryIsReportedAndTheSmallerOnesRun) {
  const auto engine = Load();
  ASSERT_TRUE(engine->Forward({inputs_[0]}, 1, false).ok());
  for (const char* where : {"first run", "record"}) {
    FailAt(where, 1, OutOfMemory());
    EXPECT_THAT(engine->Forward(inputs_, 8, false),
                IsError(absl::StatusCode::kResourceExhausted, HasSubstr("out of memory")));
    EXPECT_EQ(device_.recorded, RecordedNetwork::kInFlight);  // of bucket 1
  }
  EXPECT_TRUE(engine->Forward({inputs_[0]}, 1, false).ok());
  EXPECT_TRUE(engine->Forward(inputs_, 8, false).ok());  // there is room again
}

TEST_F(RecordedNetworkTest, WhatCannotBeRecordedRunsOperatorByOperator) {
  const auto expected = LoadWithoutGraphs()->Forward(inputs_, 4, true).value();
  for (const char* where : {"first run", "record"}) {
    const auto engine = Load();
    const int ran = device_.ran;
    FailAt(where, 1, Broken());
    for (int i = 0; i < 2; ++i) {
      const auto output = engine->Forward(inputs_, 4, true);
      ASSERT_TRUE(output.ok()) << output.status();
      EXPECT_EQ(output->logits, expected.logits);
      EXPECT_EQ(output->embeddings, expected.embeddings);
    }
    EXPECT_EQ(device_.ran, ran);
  }
}

TEST_F(RecordedNetworkTest, AFailureOfTheDeviceFailsTheBatchAndGivesItsPlaceBack) {
  const auto engine = Load();
  ASSERT_TRUE(engine->Forward(inputs_, 4, false).ok());
  const auto lost = std::make_exception_ptr(std::runtime_error("CUDA error: launch failure"));
  for (const char* where : {"gather", "launch"}) {
    FailAt(where, 5, lost);
    for (int i = 0; i < 5; ++i) {  // more than there are places
      EXPECT_THAT(engine->Forward(inputs_, 4, false),
                  IsError(absl::StatusCode::kUnavailable, HasSubstr("launch failure")));
    }
    EXPECT_TRUE(engine->Forward(inputs_, 4, false).ok());
  }
}

TEST_F(RecordedNetworkTest, WithoutHostMemoryTheModelDoesNotLoad) {
  FailAt("allocate", 1, std::make_exception_ptr(std::bad_alloc()));
  EXPECT_THAT(Engine::Load(folder_.path(), {.device = "cpu", .graphs = &device_}),
              IsError(absl::StatusCode::kResourceExhausted, HasSubstr(folder_.path())));
}

TEST_F(RecordedNetworkTest, TheGraphsGoWithTheEngine) {
  auto engine = Load();
  ASSERT_TRUE(engine->Forward(inputs_, 4, false).ok());
  engine = nullptr;
  EXPECT_EQ(device_.recorded, 0);
}

}  // namespace
}  // namespace patchserve
