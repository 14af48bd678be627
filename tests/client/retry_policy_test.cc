#include "client/retry_policy.h"

#include <gtest/gtest.h>

namespace patchserve {
namespace {

const absl::Duration ms = absl::Milliseconds(1);
const absl::Duration kNever = absl::InfiniteDuration();
constexpr absl::StatusCode kUnavailable = absl::StatusCode::kUnavailable;
constexpr absl::StatusCode kFull = absl::StatusCode::kResourceExhausted;

TEST(RetryPolicyTest, TheWaitForAServerThatIsAwayDoublesUpToTwoSecondsForEver) {
  EXPECT_EQ(RetryDelay(kUnavailable, std::nullopt, 1, 0), 100 * ms);
  EXPECT_EQ(RetryDelay(kUnavailable, std::nullopt, 2, 0), 200 * ms);
  EXPECT_EQ(RetryDelay(kUnavailable, std::nullopt, 5, 0), 1600 * ms);
  EXPECT_EQ(RetryDelay(kUnavailable, std::nullopt, 6, 0), 2000 * ms);
  EXPECT_EQ(RetryDelay(kUnavailable, std::nullopt, 100000, 0), 2000 * ms);
}

TEST(RetryPolicyTest, JitterMovesOurWaitsByAFifth) {
  EXPECT_EQ(RetryDelay(kUnavailable, std::nullopt, 1, -1), 80 * ms);
  EXPECT_EQ(RetryDelay(kUnavailable, std::nullopt, 100, 1), 2400 * ms);
}

TEST(RetryPolicyTest, AFullServersWordHoldsAndAfterFourTimesIsTheLeast) {
  EXPECT_EQ(RetryDelay(kFull, 10 * ms, 1, 1), 10 * ms);
  EXPECT_EQ(RetryDelay(kFull, 10 * ms, 4, 1), 10 * ms);
  EXPECT_EQ(RetryDelay(kFull, 10 * ms, 5, 0), 100 * ms);
  EXPECT_EQ(RetryDelay(kFull, 10 * ms, 6, 0), 200 * ms);
  EXPECT_EQ(RetryDelay(kFull, 5000 * ms, 1, 0), 5000 * ms);
  EXPECT_EQ(RetryDelay(kFull, 5000 * ms, 20, 0), 5000 * ms);
}

TEST(RetryPolicyTest, AServerThatNamesNoTimeOrSaysNoIsNotAskedAgain) {
  EXPECT_EQ(RetryDelay(kFull, std::nullopt, 1, 0), kNever);
  EXPECT_EQ(RetryDelay(kFull, kNever, 1, 0), kNever);
  EXPECT_EQ(RetryDelay(kFull, kNever, 20, 0), kNever);
  EXPECT_EQ(RetryDelay(kUnavailable, kNever, 1, 0), kNever);
}

TEST(RetryPolicyTest, CancelledMeansThatTheServerIsGone) {
  EXPECT_EQ(CodeOfUncancelled(1), kUnavailable);
  EXPECT_EQ(CodeOfUncancelled(8), kFull);
}

TEST(RetryPolicyTest, OtherErrorsStand) {
  EXPECT_EQ(RetryDelay(absl::StatusCode::kInvalidArgument, 10 * ms, 1, 0), kNever);
  EXPECT_EQ(RetryDelay(absl::StatusCode::kDeadlineExceeded, std::nullopt, 1, 0), kNever);
}

}  // namespace
}  // namespace patchserve
