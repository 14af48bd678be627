#include "server/scheduling/punctuality.h"

#include <gtest/gtest.h>

namespace patchserve {
namespace {

const absl::Duration ms = absl::Milliseconds(1);

TEST(PunctualityTest, TheFactorSettlesWhereNearlyAllAreInTime) {
  Punctuality punctuality;
  int late = 0;
  for (int i = 0; i < 20000; ++i) {
    const absl::Duration took = (100 + i * 37 % 50) * ms;  // 100 to 149, evenly
    if (i >= 10000 && took > punctuality.factor() * 100 * ms) ++late;
    punctuality.Observe(100 * ms, took);
  }
  EXPECT_GT(punctuality.factor(), 1.45);
  EXPECT_LT(punctuality.factor(), 1.55);
  EXPECT_LE(late, 60);  // of 10,000
}

TEST(PunctualityTest, ManyMissesMoveItQuicklyAndNoFurtherThanIsUseful) {
  Punctuality punctuality;
  for (int i = 0; i < 5; ++i) punctuality.Missed();
  EXPECT_GT(punctuality.factor(), 1.25);
  for (int i = 0; i < 1000; ++i) punctuality.Missed();
  EXPECT_EQ(punctuality.factor(), 2);
}

TEST(PunctualityTest, WhoIsAlwaysEarlyNeedsNoMargin) {
  Punctuality punctuality;
  for (int i = 0; i < 2000; ++i) punctuality.Observe(100 * ms, 50 * ms);
  EXPECT_EQ(punctuality.factor(), 1);
}

}  // namespace
}  // namespace patchserve
