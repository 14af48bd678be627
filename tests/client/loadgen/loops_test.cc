// The loops in virtual time.
#include "client/loadgen/loops.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

namespace patchserve {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

const absl::Duration ms = absl::Milliseconds(1);
const absl::Duration kEnd = 100 * ms;
const absl::Status kOk;

// An open loop, due every 10 ms from 10 ms to 90 ms, and a server that answers while the
// loop sleeps.
class OpenLoopTest : public testing::Test {
 protected:
  Summary Load(int max_outstanding = 100, absl::Duration deadline = absl::Seconds(1)) {
    Recorder recorder(absl::ZeroDuration(), kEnd, deadline);
    const Clock clock = {[this] { return now; },
                         [this](absl::Duration until) { AnswerUntil(until); }};
    const SendFunction send = [this](absl::Duration left, auto done) {
      time_left.push_back(left);
      absl::Duration when = now + latency;
      if (when >= stalls && when < resumes) when = resumes;
      answers.emplace_back(when, std::move(done));
      now += sending_takes;
    };
    RunLoop(OpenLoop{Arrivals(Spacing::kConstant, 100, 1), max_outstanding, deadline}, kEnd, clock,
            send, recorder);
    return recorder.Summarize();
  }

  void AnswerUntil(absl::Duration until) {
    while (!answers.empty() && (answers.front().first <= until || until == kEnd)) {
      now = std::max(now, answers.front().first);
      std::move(answers.front().second)(kOk);
      answers.pop_front();
    }
    now = std::max(now, until);
  }

  absl::Duration latency = 5 * ms, sending_takes, stalls, resumes;
  absl::Duration now;
  std::vector<absl::Duration> time_left;
  std::deque<std::pair<absl::Duration, absl::AnyInvocable<void(absl::Status) &&>>> answers;
};

TEST_F(OpenLoopTest, RequestsAreSentWhenTheyAreDue) {
  const Summary summary = Load();
  EXPECT_THAT(summary.results, ElementsAre(Pair("OK", 9)));
  EXPECT_EQ(summary.late_p99, absl::ZeroDuration());
  EXPECT_EQ(summary.ok.max, 5 * ms);
}

TEST_F(OpenLoopTest, AStalledServerHidesNothing) {
  stalls = 30 * ms, resumes = 90 * ms;
  const Summary summary = Load();
  EXPECT_THAT(summary.results, ElementsAre(Pair("OK", 9)));
  EXPECT_EQ(summary.ok.max, 60 * ms);  // due at 30 ms
  EXPECT_EQ(summary.ok.p50, 20 * ms);  // due at 70 ms; 5 ms if it had waited for the others
}

TEST_F(OpenLoopTest, LatencyAndDeadlineCountFromTheIntendedSend) {
  sending_takes = 12 * ms;  // each leaves 2 ms later than the one before
  const Summary summary = Load(100, 50 * ms);
  EXPECT_EQ(time_left.back(), 50 * ms - 16 * ms);
  EXPECT_EQ(summary.late_p99, 16 * ms);
  EXPECT_GE(summary.ok.max, 16 * ms + latency);
}

TEST_F(OpenLoopTest, WhatIsDueWhileTooManyAreUnansweredIsCountedAsNotSent) {
  stalls = 1 * ms, resumes = kEnd;
  EXPECT_THAT(Load(4).results, ElementsAre(Pair("NOT_SENT", 5), Pair("OK", 4)));
}

TEST_F(OpenLoopTest, WhatIsLaterThanItsDeadlineIsCountedAsNotSent) {
  sending_takes = 12 * ms;
  EXPECT_EQ(Load(100, 3 * ms).results.count("NOT_SENT"), 1);
}

TEST(ClosedLoopTest, EachCallerSendsAgainWhenItIsAnsweredUntilTheEnd) {
  std::mutex mutex;
  std::condition_variable sent;
  absl::Duration now;
  std::vector<absl::AnyInvocable<void(absl::Status) &&>> waiting;
  const Clock clock = {[&] {
                         std::lock_guard lock(mutex);
                         return now;
                       },
                       [](absl::Duration) {}};
  const SendFunction send = [&](absl::Duration, auto done) {
    std::lock_guard lock(mutex);
    waiting.push_back(std::move(done));
    sent.notify_one();
  };
  // Answers whenever all three callers wait, 10 ms later: ten rounds.
  std::jthread server([&] {
    for (int round = 0; round < 10; ++round) {
      std::unique_lock lock(mutex);
      sent.wait(lock, [&] { return waiting.size() == 3; });
      now += 10 * ms;
      auto answered = std::exchange(waiting, {});
      lock.unlock();
      for (auto& done : answered) std::move(done)(kOk);
    }
  });
  Recorder recorder(absl::ZeroDuration(), kEnd, absl::Seconds(1));
  RunLoop(ClosedLoop{3, absl::Seconds(1)}, kEnd, clock, send, recorder);
  EXPECT_THAT(recorder.Summarize().results, ElementsAre(Pair("OK", 30)));
  EXPECT_EQ(recorder.Summarize().ok.p50, 10 * ms);
}

}  // namespace
}  // namespace patchserve
