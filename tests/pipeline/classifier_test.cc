#include "server/pipeline/classifier.h"

#include <atomic>
#include <latch>
#include <memory>
#include <mutex>
#include <semaphore>
#include <set>
#include <thread>
#include <vector>

#include "tests/pipeline/classifier_fixture.h"

namespace patchserve {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

TEST_F(ClassifierTest, AnswersRankedClassesWithEverythingThatWasMeasured) {
  Start();
  auto answer = ClassifyAndWait(RequestFor(red));
  ASSERT_TRUE(answer.ok()) << answer.status();
  ASSERT_EQ(answer->predictions.size(), 3);
  EXPECT_EQ(answer->predictions[0].class_id, 0);
  EXPECT_EQ(answer->predictions[1].class_id, 2);
  EXPECT_FLOAT_EQ(answer->predictions[0].logit, 9);
  EXPECT_EQ(answer->model->name, "fake");
  EXPECT_EQ(answer->batch_size, 1);
  EXPECT_EQ(answer->image.width, 2);
  EXPECT_TRUE(answer->embedding.empty());
  EXPECT_GT(answer->decode, absl::ZeroDuration());
  EXPECT_GT(answer->run, absl::ZeroDuration());
}

TEST_F(ClassifierTest, PixelsAndTensorsAreWrittenOnceWhereTheModelReadsThem) {
  std::vector<void*> allocated;
  std::vector<const void*> read;
  Start([&](ServedModel& served) {
    served.allocate_input = [&](size_t bytes) {
      std::shared_ptr<void> memory = AllocateOnHeap(bytes);
      allocated.push_back(memory.get());
      return memory;
    };
    served.forward = [&, forward = served.forward](absl::Span<const ModelInput> images, int bucket,
                                                   bool embeddings) {
      std::visit([&](const auto* image) { read.push_back(image); }, images[0]);
      return forward(images, bucket, embeddings);
    };
  });
  const std::vector<uint8_t> zeros(48);
  ClassifyRequest tensor = RequestFor(red);
  tensor.image = TensorImage{zeros};
  EXPECT_TRUE(ClassifyAndWait(RequestFor(red)).ok());
  EXPECT_TRUE(ClassifyAndWait(tensor).ok());
  EXPECT_THAT(read, ElementsAreArray(allocated));
  EXPECT_EQ(read.size(), 2);
}

TEST_F(ClassifierTest, AnEmbeddingIsReturnedToThoseWhoAskForIt) {
  Start();
  ClassifyRequest request = RequestFor(red);
  request.embedding = true;
  auto answer = ClassifyAndWait(request);
  ASSERT_TRUE(answer.ok());
  EXPECT_THAT(answer->embedding, ElementsAre(9, 1));
  EXPECT_TRUE(Shows("patchserve_embeddings_total{model=\"fake\"} 1"));
}

TEST_F(ClassifierTest, AnEmbeddingIsScaledToLength1ForThoseWhoAskForIt) {
  Start();
  const std::vector<uint8_t> pixels = Colour(3, 4, 0);
  ClassifyRequest request = RequestFor(pixels);
  request.embedding = request.normalize_embedding = true;
  EXPECT_THAT(ClassifyAndWait(request)->embedding, ElementsAre(0.6f, 0.8f));
  const std::vector<uint8_t> black = Colour(0, 0, 0);
  request.image = RequestFor(black).image;
  EXPECT_THAT(ClassifyAndWait(request)->embedding, ElementsAre(0, 0));
}

TEST_F(ClassifierTest, NormalizingNoEmbeddingIsAMistake) {
  Start();
  ClassifyRequest request = RequestFor(red);
  request.normalize_embedding = true;
  const absl::Status status = ClassifyAndWait(request).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("embedding isn't"));
}

TEST_F(ClassifierTest, AModelWithoutAClassifierAnswersEmbeddingsOnly) {
  model.classifies = false;
  Start();
  ClassifyRequest request = RequestFor(red);
  const absl::Status refused = ClassifyAndWait(request).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("no classifier"));
  request.embedding = true;
  const auto answer = ClassifyAndWait(request);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_TRUE(answer->predictions.empty());
  EXPECT_THAT(answer->embedding, ElementsAre(9, 1));
}

TEST_F(ClassifierTest, TopKLimitsThePredictionsAndMayExceedTheClasses) {
  Start();
  ClassifyRequest request = RequestFor(red);
  request.top_k = 1;
  EXPECT_EQ(ClassifyAndWait(request)->predictions.size(), 1);
  request.top_k = 1000;
  EXPECT_EQ(ClassifyAndWait(request)->predictions.size(), 3);
}

TEST_F(ClassifierTest, RequestsThatComeWhileTheDeviceIsBusyRunTogether) {
  Start();
  model.Hold();
  Classify();
  model.WaitUntilBusy(1);
  for (int i = 0; i < 3; ++i) Classify();
  classifier->Drain();  // what was accepted is still answered
  std::thread stop([this] { classifier->Stop(); });
  model.Release();
  stop.join();
  for (const auto& answer : answers.WaitFor(4)) EXPECT_TRUE(answer.ok()) << answer.status();
  int images = 0;
  for (int size : model.batch_sizes()) images += size;
  EXPECT_EQ(images, 4);
  EXPECT_EQ(model.batch_sizes().front(), 1);
}

// Sends `count` red pictures that run as one batch, whose answers wait for `go_on`.
class LargeBatchTest : public ClassifierTest {
 protected:
  void Send(int count) {
    Start([](ServedModel& served) {
      served.buckets = {1, 64};
      served.measured = {{1, absl::Milliseconds(1)}, {64, absl::Milliseconds(1)}};
    });
    model.Hold();
    Classify();
    model.WaitUntilBusy(1);
    for (int i = 0; i < count; ++i) {
      classifier->Classify(RequestFor(red), [this, next = answers.Next()](auto answer) mutable {
        begun.release();
        go_on.wait();
        {
          std::lock_guard lock(mutex);
          answered_by.insert(std::this_thread::get_id());
        }
        std::move(next)(std::move(answer));
      });
    }
    WaitUntilQueued();
    model.Release();
  }

  std::counting_semaphore<> begun{0};
  std::latch go_on{1};
  std::mutex mutex;
  std::set<std::thread::id> answered_by;
};

TEST_F(LargeBatchTest, TheRunnerTakesTheNextBatchWhileOtherThreadsAnswer) {
  options.answer_threads = 2;
  Send(50);
  begun.acquire();
  EXPECT_TRUE(ClassifyAndWait(RequestFor(red)).ok());  // by the one runner
  go_on.count_down();
  for (const auto& answer : answers.WaitFor(51)) EXPECT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(model.batch_sizes(), ElementsAre(1, 50, 1));
  EXPECT_TRUE(Shows("patchserve_batch_size_count{model=\"fake\"} 3"));
}

TEST_F(LargeBatchTest, StopWaitsForTheAnswers) {
  options.answer_threads = 1;
  Send(50);
  std::thread stop([this] { classifier->Stop(); });
  go_on.count_down();
  stop.join();
  EXPECT_EQ(answers.WaitFor(51).size(), 51);
}

TEST_F(LargeBatchTest, WithoutSuchThreadsTheRunnerAnswers) {
  go_on.count_down();
  Send(50);
  answers.WaitFor(51);
  EXPECT_EQ(answered_by.size(), 1);
}

TEST_F(ClassifierTest, ABatchIsPaddedToABucketAndThePaddingIsNeitherAnsweredNorCounted) {
  // Each batch takes a millisecond, as was measured.
  auto ran = std::make_shared<std::atomic<int>>(0);
  options.now = [ran, start = SteadyNow()] { return start + ran->load() * absl::Milliseconds(1); };
  model.fail = [ran](int) {
    ++*ran;
    return absl::OkStatus();
  };
  Start([](ServedModel& served) { served.buckets = {1, 4}; });
  model.Hold();
  Classify();
  model.WaitUntilBusy(1);
  for (int i = 0; i < 3; ++i) Classify();
  WaitUntilQueued();
  model.Release();
  EXPECT_EQ(answers.WaitFor(4).back()->batch_size, 3);
  EXPECT_THAT(model.batch_sizes(), ElementsAre(1, 3));
  EXPECT_THAT(model.buckets(), ElementsAre(1, 4));
  EXPECT_TRUE(Shows("patchserve_images_total{model=\"fake\"} 4"));
}

TEST_F(ClassifierTest, AFullQueueRefusesBeforeAnythingIsDecoded) {
  Start([](ServedModel& served) { served.max_queue = 2; });
  model.Hold();
  Classify();
  model.WaitUntilBusy(1);  // runs, and waits no more
  Classify();
  Classify();
  auto refused = ClassifyAndWait(RequestFor(red));
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(refused.status().message()),
              HasSubstr("as many requests waiting as it may"));
  EXPECT_TRUE(Shows("patchserve_queue_depth{model=\"fake\"} 2"));
  model.Release();
  answers.WaitFor(3);
  EXPECT_TRUE(ClassifyAndWait(RequestFor(red)).ok());  // the places are free again
}

TEST_F(ClassifierTest, ADeadlineThatHasPassedIsAnsweredAtOnce) {
  Start();
  ClassifyRequest request = RequestFor(red);
  request.deadline = SteadyNow() - absl::Seconds(1);
  EXPECT_EQ(ClassifyAndWait(request).status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(model.batch_sizes().empty());
}

TEST_F(ClassifierTest, ARequestWithoutADeadlineGetsTheModelsDefault) {
  Start([](ServedModel& served) { served.default_deadline = absl::Seconds(5); });
  ClassifyRequest request = RequestFor(red);
  request.arrival = SteadyNow() - absl::Seconds(6);
  EXPECT_EQ(ClassifyAndWait(request).status().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(ClassifierTest, ADeadlineThatPassesInTheQueueIsAnsweredAndNotRun) {
  // Owned by the clock, which a runner reads once more after its last answer.
  auto late = std::make_shared<std::atomic<bool>>(false);
  options.now = [late, now = SteadyNow()] { return *late ? now + absl::Hours(1) : now; };
  Start();
  model.Hold();
  Classify();
  model.WaitUntilBusy(1);
  Answers second;
  classifier->Classify(RequestFor(red), second.Next());
  *late = true;
  model.Release();
  EXPECT_EQ(second.WaitFor(1)[0].status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(answers.WaitFor(1)[0].ok());
  EXPECT_THAT(model.batch_sizes(), ElementsAre(1));
}

TEST_F(ClassifierTest, ACancelledRequestIsNotRun) {
  Start();
  model.Hold();
  Classify();
  model.WaitUntilBusy(1);
  Cancellation cancellation;
  ClassifyRequest request = RequestFor(red);
  request.cancellation = &cancellation;
  Answers second;
  classifier->Classify(request, second.Next());
  classifier->Cancel(cancellation);
  model.Release();
  EXPECT_EQ(second.WaitFor(1)[0].status().code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(answers.WaitFor(1)[0].ok());
  EXPECT_THAT(model.batch_sizes(), ElementsAre(1));
}

TEST_F(ClassifierTest, ACancelledRequestIsAnsweredWhileTheRunnerIsBusy) {
  Start();
  model.Hold();
  Classify();
  model.WaitUntilBusy(1);
  Cancellation cancellation;
  ClassifyRequest request = RequestFor(red);
  request.cancellation = &cancellation;
  Answers second;
  classifier->Classify(request, second.Next());
  WaitUntilShows("patchserve_stage_duration_seconds_count{model=\"fake\",stage=\"decode\"} 2");
  classifier->Cancel(cancellation);
  EXPECT_TRUE(absl::IsCancelled(second.WaitFor(1)[0].status()));  // while the runner is busy
  EXPECT_TRUE(Shows("patchserve_queue_depth{model=\"fake\"} 0"));
  model.Release();
}

TEST_F(ClassifierTest, AfterDrainRequestsAreUnavailable) {
  Start();
  classifier->Drain();
  EXPECT_EQ(ClassifyAndWait(RequestFor(red)).status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(ClassifierTest, EveryRequestIsCountedOnceUnderItsCode) {
  Start();
  EXPECT_TRUE(ClassifyAndWait(RequestFor(red)).ok());
  ClassifyRequest request = RequestFor(red);
  request.model = "nobody";
  EXPECT_FALSE(ClassifyAndWait(request).ok());
  classifier->Stop();
  EXPECT_TRUE(Shows("patchserve_requests_total{code=\"OK\",model=\"fake\"} 1"));
  EXPECT_TRUE(Shows("patchserve_requests_total{code=\"NOT_FOUND\",model=\"\"} 1"));
  EXPECT_TRUE(Shows("patchserve_images_total{model=\"fake\"} 1"));
  EXPECT_TRUE(Shows("patchserve_in_flight 0"));
  EXPECT_TRUE(Shows("patchserve_queue_depth{model=\"fake\"} 0"));
  EXPECT_TRUE(Shows("patchserve_stage_duration_seconds_count{model=\"fake\",stage=\"respond\"} 1"));
}

TEST_F(ClassifierTest, UnderLoadFromManyThreadsEveryRequestIsAnsweredExactlyOnce) {
  options.decode_threads = 2;
  options.runners = 2;
  Start([](ServedModel& served) { served.max_queue = 20; });
  constexpr int kThreads = 4, kRequests = 300;
  std::vector<std::atomic<int>> answered(kThreads * kRequests);
  std::vector<Cancellation> cancellations(kThreads * kRequests);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = thread * kRequests; i < (thread + 1) * kRequests; ++i) {
        ClassifyRequest request = RequestFor(red);
        request.cancellation = &cancellations[i];
        classifier->Classify(request, [&, i](absl::StatusOr<Answer>) { ++answered[i]; });
        if (i % 5 == 0) classifier->Cancel(cancellations[i]);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  classifier->Stop();
  for (const auto& count : answered) ASSERT_EQ(count, 1);
  EXPECT_TRUE(Shows("patchserve_in_flight 0"));
}

TEST_F(ClassifierTest, WhatAReplacedModelAcceptedFinishesOnItAndThenItsQueueIsFree) {
  options.runners = 2;
  Start();
  const int number = registry.Find("fake").value()->scheduled_as;
  model.Hold();
  Classify();
  model.WaitUntilBusy(1);
  FakeModel next;
  next.factor = 2;
  const std::shared_ptr<ServedModel> second = next.Served("fake");
  classifier->Schedule(second);
  registry.SetReady(second);
  EXPECT_NE(second->scheduled_as, number);
  EXPECT_EQ(ClassifyAndWait(RequestFor(red))->predictions[0].logit, 18);  // the new one
  model.Release();
  EXPECT_EQ(answers.WaitFor(1)[0]->predictions[0].logit, 9);  // the old one
  answers.Forget();
  classifier->Stop();  // the end of its last batch
  const std::shared_ptr<ServedModel> third = next.Served("fake");
  classifier->Schedule(third);
  EXPECT_EQ(third->scheduled_as, number);
}

}  // namespace
}  // namespace patchserve
