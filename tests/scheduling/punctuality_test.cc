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

TEST(PunctualityTest, TheLargestMarginDoesNotStay) {
  Punctuality punctuality;
  for (int i = 0; i < 100; ++i) punctuality.Missed(1);
  for (int i = 0; i < 2000; ++i) punctuality.Kept(punctuality.margin());  // just admitted
  EXPECT_LT(punctuality.margin(), 5);
  for (int i = 0; i < 500; ++i) punctuality.Idle();  // nobody else was
  EXPECT_LT(punctuality.margin(), 1);
}

TEST(PunctualityTest, WhoHadMoreSlackThanAnyMarginSaysNothing) {
  Punctuality punctuality;
  const double before = punctuality.margin();
  punctuality.Missed(9);
  punctuality.Kept(9);
  EXPECT_EQ(punctuality.margin(), before);
}

TEST(PunctualityTest, SomeMarginStaysHoweverManyAreInTime) {
  Punctuality punctuality;
  for (int i = 0; i < 10000; ++i) punctuality.Kept(1);
  EXPECT_EQ(punctuality.margin(), 0.5);
}

}  // namespace
}  // namespace patchserve
