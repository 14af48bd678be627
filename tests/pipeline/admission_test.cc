// What the classifier refuses for want of room or time, and what that leaves behind.
#include "server/pipeline/admission.h"

#include <atomic>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "server/base/retry_after.h"
#include "tests/pipeline/classifier_fixture.h"

namespace patchserve {
namespace {

using ::testing::HasSubstr;

// The words of a message that are times.
std::vector<absl::Duration> TimesIn(const std::string& message) {
  std::vector<absl::Duration> times;
  std::istringstream words(message);
  for (std::string word; words >> word;) {
    absl::Duration time;
    if (absl::ParseDuration(word, &time)) times.push_back(time);
  }
  return times;
}

class AdmissionTest : public ClassifierTest {
 protected:
  // One request runs until Release, and so many wait.
  void Busy(int waiting) {
    model.Hold();
    Classify();
    model.WaitUntilBusy(1);
    for (int i = 0; i < waiting; ++i) Classify();
  }

  absl::Status Refused(const ClassifyRequest& request) { return ClassifyAndWait(request).status(); }
};

TEST_F(AdmissionTest, BytesInFlightAreBounded) {
  options.max_bytes_in_flight = 100;  // a picture's 12 as sent, 12 as model input
  Start();
  Busy(2);
  const absl::Status refused = Refused(RequestFor(red));
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("72 bytes of 100 allowed"));
  EXPECT_TRUE(
      Shows("patchserve_shed_total{criticality=\"default\",model=\"fake\",reason=\"bytes\"} 1"));
  model.Release();
  answers.WaitFor(3);
  EXPECT_TRUE(ClassifyAndWait(RequestFor(red)).ok());
}

TEST_F(AdmissionTest, AMessageThatHoldsMoreThanItsImageCountsWhole) {
  options.max_bytes_in_flight = 100;
  Start();
  Busy(1);  // 48
  ClassifyRequest padded = RequestFor(red);
  padded.message_bytes = 60;
  EXPECT_EQ(Refused(padded).code(), absl::StatusCode::kResourceExhausted);
  padded.message_bytes = 20;
  classifier->Classify(padded, answers.Next());
  model.Release();
  answers.WaitFor(3);
}

TEST_F(AdmissionTest, WhatDecodingTakesIsBoundedAndWhatTakesMoreThanAllIsInvalid) {
  options.max_decoding_bytes = 20;  // a picture takes 12
  Start();
  const std::vector<uint8_t> wide(3 * 7);
  ClassifyRequest too_large = RequestFor(wide);
  too_large.image = RawPixels{.pixels = wide, .width = 7, .height = 1};
  const absl::Status refused = Refused(too_large);
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr("7x1 pixels takes 21 bytes, more than the 20"));
  EXPECT_TRUE(ClassifyAndWait(RequestFor(red)).ok());
  classifier->SetBudgets({.images = 100, .decoding = 21});
  EXPECT_TRUE(ClassifyAndWait(too_large).ok());
}

TEST_F(AdmissionTest, ARefusalSaysWhenToTryAgainUnlessThatWouldBeTooLate) {
  const absl::Time now = SteadyNow();
  options.now = [now] { return now; };
  Start([](ServedModel& served) { served.max_queue = 1; });
  Busy(1);
  ClassifyRequest request = RequestFor(red);
  EXPECT_EQ(RetryAfter(Refused(request)), absl::Milliseconds(10));  // the shortest pause
  request.deadline = now + absl::Milliseconds(10);
  EXPECT_EQ(RetryAfter(Refused(request)), absl::InfiniteDuration());
}

TEST_F(AdmissionTest, WhoWouldBeLateIsRefusedBeforeItIsDecoded) {
  Start([](ServedModel& served) {
    served.measured = {{1, absl::Seconds(20)}};
    served.default_deadline = absl::Seconds(50);
  });
  Busy(1);  // done in 40 seconds, as is expected
  const absl::Status refused = Refused(RequestFor(red));
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  const std::vector<absl::Duration> times = TimesIn(std::string(refused.message()));
  ASSERT_EQ(times.size(), 4) << refused;
  EXPECT_LE(times[3], absl::Seconds(50));
  EXPECT_GT(times[0] + times[1] + times[2], times[3]) << refused;
  EXPECT_TRUE(
      Shows("patchserve_shed_total{criticality=\"default\",model=\"fake\",reason=\"late\"} 1"));
  model.Release();
  answers.WaitFor(2);
  EXPECT_TRUE(Shows("patchserve_stage_duration_seconds_count{model=\"fake\",stage=\"decode\"} 2"));
}

TEST_F(AdmissionTest, ADeadlineThatNoIdleServerKeepsIsExceededAtOnceAndNotShedAsLate) {
  auto elapsed = std::make_shared<std::atomic<int>>(0);  // seconds
  const absl::Time start = SteadyNow();
  options.now = [elapsed, start] { return start + elapsed->load() * absl::Seconds(1); };
  Start([](ServedModel& served) { served.measured = {{1, absl::Seconds(20)}}; });
  model.fail = [elapsed](int) {  // a batch takes as long as was measured
    *elapsed += 20;
    return absl::OkStatus();
  };
  Classify();
  answers.WaitFor(1);
  classifier->RunBetweenBatches(0, absl::ZeroDuration(), [] {});  // the runner is free again
  ClassifyRequest request = RequestFor(red);
  request.deadline = options.now() + absl::Seconds(10);
  const absl::Status refused = Refused(request);
  EXPECT_EQ(refused.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("on an idle server"));
  EXPECT_TRUE(
      Shows("patchserve_shed_total{criticality=\"default\",model=\"fake\",reason=\"late\"} 0"));
  EXPECT_TRUE(
      Shows("patchserve_shed_total{criticality=\"default\",model=\"fake\",reason=\"expired\"} 1"));
  EXPECT_EQ(RetryAfter(refused), std::nullopt);
}

TEST_F(AdmissionTest, TheLowerLevelIsRefusedFirst) {
  Start([](ServedModel& served) { served.max_queue = 10; });
  Busy(5);
  ClassifyRequest request = RequestFor(red);
  request.criticality = Criticality::kSheddable;
  EXPECT_EQ(Refused(request).code(), absl::StatusCode::kResourceExhausted);
  Classify();  // of the default level
  EXPECT_TRUE(Shows("patchserve_queue_depth{model=\"fake\"} 6"));
  model.Release();
}

TEST_F(AdmissionTest, ACallThatFailsWhileDecodingGivesItsPlaceBack) {
  options.max_decoding_bytes = 12;
  Start([](ServedModel& served) { served.max_queue = 1; });
  // A JPEG's header, and then nothing.
  const std::vector<uint8_t> broken = {0xFF, 0xD8, 0xFF, 0xC0, 0, 11, 8, 0, 2, 0, 2, 1, 1, 0x11, 0};
  for (int i = 0; i < 3; ++i) {
    ClassifyRequest request;
    request.image = absl::Span<const uint8_t>(broken);
    request.arrival = SteadyNow();
    EXPECT_EQ(Refused(request).code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_TRUE(ClassifyAndWait(RequestFor(red)).ok());
}

TEST_F(AdmissionTest, ThePredictedDelayIsShownAndGoesWithTheQueue) {
  Start([](ServedModel& served) { served.measured = {{1, absl::Seconds(2)}}; });
  Busy(1);
  EXPECT_FALSE(Shows("patchserve_predicted_queue_delay_seconds{model=\"fake\"} 0"));
  model.Release();
  answers.WaitFor(2);
  classifier->Stop();
  EXPECT_TRUE(Shows("patchserve_predicted_queue_delay_seconds{model=\"fake\"} 0"));
}

TEST_F(AdmissionTest, WhatComesIsDemandOnceThoughItIsRefusedAndComesBack) {
  Start([](ServedModel& served) {
    served.measured = {{1, absl::Seconds(20)}};
    served.default_deadline = absl::Seconds(50);
  });
  const std::string demand = "patchserve_demand_seconds_total{model=\"fake\",stage=\"run\"} ";
  EXPECT_TRUE(Shows(demand + "0"));
  Busy(1);
  EXPECT_TRUE(Shows(demand + "40"));
  ClassifyRequest request = RequestFor(red);
  EXPECT_EQ(Refused(request).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(Shows(demand + "60"));
  request.retried = true;
  EXPECT_EQ(Refused(request).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(Shows(demand + "60"));
  // It is too urgent for any server, at today's price.
  request = RequestFor(red);
  request.deadline = SteadyNow() + absl::Seconds(10);
  EXPECT_EQ(Refused(request).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(Shows(demand + "80"));
  model.Release();
}

TEST_F(AdmissionTest, AnswersInTimeAreCounted) {
  Start();
  EXPECT_TRUE(ClassifyAndWait(RequestFor(red)).ok());
  EXPECT_TRUE(Shows("patchserve_images_in_time_total{model=\"fake\"} 1"));
  EXPECT_TRUE(Shows("patchserve_dead_images_total{model=\"fake\"} 0"));
}

}  // namespace
}  // namespace patchserve
