#include "server/scheduling/cost_model.h"

#include <gmock/gmock.h>

namespace patchserve {
namespace {

const absl::Duration ms = absl::Milliseconds(1);

TEST(CostModelTest, BetweenTwoMeasuredSizesTimeGrowsLinearly) {
  const CostModel cost({{1, 10 * ms}, {4, 40 * ms}, {8, 60 * ms}}, 8);
  EXPECT_EQ(cost.Expected(1), 10 * ms);
  EXPECT_EQ(cost.Expected(2), 20 * ms);
  EXPECT_EQ(cost.Expected(6), 50 * ms);
  EXPECT_EQ(cost.Expected(8), 60 * ms);
}

TEST(CostModelTest, WithOneSampleTimeIsInProportion) {
  const CostModel cost({{1, 10 * ms}}, 4);
  EXPECT_EQ(cost.Expected(3), 30 * ms);
}

TEST(CostModelTest, ALargerBatchIsNeverExpectedToTakeLess) {
  const CostModel cost({{1, 10 * ms}, {2, 8 * ms}, {4, 20 * ms}}, 4);
  EXPECT_EQ(cost.Expected(2), 10 * ms);
}

TEST(CostModelTest, WhatBatchesTakeIsLearnedOfTheirSizeFirstAndOfTheOthersToo) {
  CostModel cost({{1, 10 * ms}, {4, 40 * ms}}, 4);
  for (int i = 0; i < 100; ++i) cost.Observe(4, 80 * ms);
  EXPECT_NEAR(absl::ToDoubleMilliseconds(cost.Expected(4)), 80, 1);
  EXPECT_GT(cost.Expected(1), 11 * ms);  // the machine has become slower
  EXPECT_LE(cost.Expected(3), cost.Expected(4));
}

TEST(CostModelTest, NoiseDoesNotMoveTheSizesThatNeverRun) {
  CostModel cost({{1, 10 * ms}, {8, 80 * ms}}, 8);
  for (int i = 0; i < 100000; ++i) cost.Observe(1, i % 2 == 0 ? 5 * ms : 15 * ms);
  EXPECT_NEAR(absl::ToDoubleMilliseconds(cost.Expected(8)), 80, 10);
}

TEST(CostModelTest, TheSafeTimeFollowsHowMuchBatchesStray) {
  CostModel steady({{1, 10 * ms}}, 1), shaky({{1, 10 * ms}}, 1);
  for (int i = 0; i < 200; ++i) {
    steady.Observe(1, 10 * ms);
    shaky.Observe(1, i % 2 == 0 ? 8 * ms : 12 * ms);
  }
  EXPECT_LT(steady.Safe(1), 10.5 * ms);
  EXPECT_GT(shaky.Safe(1), 12 * ms);
}

TEST(CostModelTest, OneBatchThatStoodStillTeachesLittle) {
  CostModel cost({{1, 10 * ms}}, 1);
  cost.Observe(1, absl::Seconds(30));
  EXPECT_LT(cost.Expected(1), 13 * ms);
}

TEST(CostModelTest, ABatchThatTookLessThanNothingDoesNoHarm) {
  CostModel cost({{1, 50 * ms}}, 1);
  cost.Observe(1, -absl::Seconds(1));  // the clock was set
  EXPECT_GT(cost.Expected(1), 45 * ms);
  EXPECT_LE(cost.Expected(1), 50 * ms);
}

TEST(CostModelTest, AnEstimateFadesToTheLeastThatWasSeen) {
  CostModel cost({{1, 50 * ms}}, 1);
  for (int i = 0; i < 100; ++i) cost.Observe(1, 80 * ms);
  cost.Observe(1, 40 * ms);
  for (int i = 0; i < 1000; ++i) cost.Fade();
  EXPECT_EQ(cost.Expected(1), 40 * ms);
  EXPECT_EQ(cost.Fastest(), 40 * ms);
}

TEST(CostModelTest, ALimitCutsOffTheLargerSizesAndIsNeverRaised) {
  CostModel cost({{1, 10 * ms}, {8, 60 * ms}}, 8);
  cost.Limit(4);
  cost.Limit(6);
  EXPECT_EQ(cost.max_batch(), 4);
}

TEST(CostModelTest, ABatchOfASizeThatIsNoLongerAllowedTeachesNothing) {
  CostModel cost({{1, 10 * ms}, {8, 60 * ms}}, 8);
  cost.Limit(4);
  cost.Observe(8, 600 * ms);
  EXPECT_EQ(cost.Expected(1), 10 * ms);
}

}  // namespace
}  // namespace patchserve
