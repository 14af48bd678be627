#include "server/scheduling/punctuality.h"

#include <gtest/gtest.h>

namespace patchserve {
namespace {

const absl::Duration ms = absl::Milliseconds(1);

TEST(PunctualityTest, TheFactorSettlesWhereNearlyAllAreInTime) {
  Punctuality punctuality;
  int late = 0;
  for (int i = 0; i < 20000; ++i) {
    // Admitted as the factor allows; the wait takes 1 to 1.49 times what was predicted, evenly.
    const absl::Duration ahead = 100 * ms, spare = punctuality.factor() * ahead;
    const bool in_time = ahead * (1 + i * 37 % 50 / 100.0) <= spare;
    in_time ? punctuality.Kept(ahead, spare) : punctuality.Missed(ahead, spare);
    if (i >= 10000) late += !in_time;
  }
  EXPECT_GT(punctuality.factor(), 1.45);
  EXPECT_LT(punctuality.factor(), 1.55);
  EXPECT_LE(late, 60);  // of 10,000
}

TEST(PunctualityTest, ManyMissesMoveItQuicklyAndNoFurtherThanIsUseful) {
  Punctuality punctuality;
  for (int i = 0; i < 5; ++i) punctuality.Missed(100 * ms, 120 * ms);
  EXPECT_GT(punctuality.factor(), 1.15);
  for (int i = 0; i < 1000; ++i) punctuality.Missed(100 * ms, 120 * ms);
  EXPECT_EQ(punctuality.factor(), 2);
}

TEST(PunctualityTest, WhoHadTimeInPlentyOrTooLittleSaysNothing) {
  Punctuality punctuality;
  punctuality.Missed(100 * ms, 90 * ms);  // taken in by an idle device, or as critical
  punctuality.Missed(0 * ms, 90 * ms);    // waited for nobody
  EXPECT_EQ(punctuality.factor(), 1);
  punctuality.Missed(100 * ms, 120 * ms);
  const double before = punctuality.factor();
  punctuality.Kept(100 * ms, 300 * ms);
  EXPECT_EQ(punctuality.factor(), before);
  punctuality.Kept(100 * ms, 120 * ms);
  EXPECT_LT(punctuality.factor(), before);
}

}  // namespace
}  // namespace patchserve
