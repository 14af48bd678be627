// A classifier over one fake model named "fake", with one decoding thread and one
// runner.
#pragma once

#include <gmock/gmock.h>

#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "tests/eventually.h"
#include "tests/pipeline/fake_model.h"

namespace patchserve {

class ClassifierTest : public ::testing::Test {
 protected:
  ~ClassifierTest() override { model.Release(); }

  // Starts the classifier; `adjust` may change the model before it is scheduled.
  void Start(std::function<void(ServedModel&)> adjust = [](ServedModel&) {}) {
    classifier = std::make_unique<Classifier>(options, registry, *metrics);
    std::shared_ptr<ServedModel> served = model.Served("fake");
    adjust(*served);
    classifier->Schedule(served);
    registry.SetReady(served);
  }

  // Sends a red picture.
  void Classify() { classifier->Classify(RequestFor(red), answers.Next()); }

  absl::StatusOr<Answer> ClassifyAndWait(const ClassifyRequest& request) {
    Answers one;
    classifier->Classify(request, one.Next());
    return one.WaitFor(1).front();
  }

  // Until the decoding thread has queued all that was sent: it finds this caller gone after them.
  void WaitUntilQueued() {
    Cancellation cancelled;
    cancelled.Request();
    ClassifyRequest last = RequestFor(red);
    last.cancellation = &cancelled;
    const absl::Status status = ClassifyAndWait(last).status();
    EXPECT_TRUE(absl::IsCancelled(status)) << status;
    EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("cancelled"));
  }

  // Whether the scrape has this line.
  bool Shows(const std::string& line) { return absl::StrContains(metrics->Scrape(), line + "\n"); }
  void WaitUntilShows(const std::string& line) {
    Eventually(line, [&] { return Shows(line); });
  }

  const std::vector<uint8_t> red = Colour(9, 1, 2);
  FakeModel model;
  Answers answers;
  ClassifierOptions options;
  std::unique_ptr<Metrics> metrics = Metrics::Create("test");
  ModelRegistry registry{{"fake", "slow"}, "fake"};
  std::unique_ptr<Classifier> classifier;
};

}  // namespace patchserve
