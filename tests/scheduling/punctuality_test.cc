#include "server/scheduling/punctuality.h"

#include <gtest/gtest.h>

#include <random>

namespace patchserve {
namespace {

TEST(PunctualityTest, TheMarginSettlesWhereNearlyAllAreInTime) {
  Punctuality punctuality;
  std::mt19937 random(1);
  std::normal_distribution<double> took;  // deviations longer than predicted
  int late = 0;
  constexpr int kCount = 50000;
  for (int i = 0; i < kCount; ++i) {
    const double slack = punctuality.margin();  // just admitted
    const bool in_time = took(random) <= slack;
    in_time ? punctuality.Kept(slack) : punctuality.Missed(slack);
    late += !in_time;
  }
  EXPECT_NEAR(static_cast<double>(late) / kCount, 0.003, 0.001);
  EXPECT_NEAR(punctuality.margin(), 2.75, 0.5);  // 99.7 % of a normal distribution
}

TEST(PunctualityTest, MissesMoveItQuicklyAndNoFurtherThanIsUseful) {
  Punctuality punctuality;
  for (int i = 0; i < 5; ++i) punctuality.Missed(1);
  EXPECT_GT(punctuality.margin(), 1.9);
  for (int i = 0; i < 1000; ++i) punctuality.Missed(1);
  EXPECT_EQ(punctuality.margin(), 6);
}

TEST(PunctualityTest, WhoHadTimeInPlentySaysNothing) {
  Punctuality punctuality;
  const double before = punctuality.margin();
  punctuality.Missed(7);
  punctuality.Kept(7);
  EXPECT_EQ(punctuality.margin(), before);
  punctuality.Kept(2);
  EXPECT_LT(punctuality.margin(), before);
}

}  // namespace
}  // namespace patchserve
