#include "server/hub/retries.h"

#include <vector>

#include "server/base/retry_after.h"
#include "tests/model/status_matchers.h"

namespace patchserve {
namespace {

using testing::_;
using testing::ElementsAre;
using testing::IsEmpty;

class RetriesTest : public testing::Test {
 protected:
  const absl::Status away_ = absl::UnavailableError("away");
  std::vector<absl::Duration> pauses_;
  WaitFunction wait_ = [this](absl::Duration pause) {
    pauses_.push_back(pause);
    return absl::OkStatus();
  };
};

TEST_F(RetriesTest, PausesDoubleAndTheTriesEnd) {
  Retries retries(4, wait_);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(retries.Again(away_).ok());
  EXPECT_EQ(retries.Again(away_), away_);
  EXPECT_THAT(pauses_, ElementsAre(absl::Seconds(1), absl::Seconds(2), absl::Seconds(4)));
}

TEST_F(RetriesTest, ThePauseIsTheOneThatIsAskedForUpToAMinute) {
  Retries retries(5, wait_);
  EXPECT_TRUE(retries.Again(WithRetryAfter(away_, absl::Seconds(60))).ok());
  EXPECT_THAT(pauses_, ElementsAre(absl::Seconds(60)));
  EXPECT_FALSE(retries.Again(WithRetryAfter(away_, absl::Seconds(61))).ok());
}

TEST_F(RetriesTest, WhatWontWorkLaterIsntTriedAgain) {
  Retries retries(5, wait_);
  EXPECT_THAT(retries.Again(absl::PermissionDeniedError("no")),
              IsError(absl::StatusCode::kPermissionDenied, _));
  EXPECT_THAT(pauses_, IsEmpty());
}

TEST_F(RetriesTest, SomethingAchievedStartsAnew) {
  Retries retries(2, wait_);
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(retries.Again(away_).ok());
    retries.Reset();
  }
  EXPECT_THAT(pauses_, testing::Each(absl::Seconds(1)));
}

TEST_F(RetriesTest, AWaitThatIsEndedEndsTheTries) {
  const WaitFunction stopped = [](absl::Duration) { return absl::CancelledError("stopped"); };
  Retries retries(5, stopped);
  EXPECT_THAT(retries.Again(away_), IsError(absl::StatusCode::kCancelled, _));
}

}  // namespace
}  // namespace patchserve
