#include "server/scheduling/cost_model.h"

#include <gmock/gmock.h>

#include "tests/scheduling/virtual_device.h"

namespace patchserve {
namespace {

using ::testing::ElementsAre;

double Ms(absl::Duration time) { return absl::ToDoubleMilliseconds(time); }

TEST(CostModelTest, BetweenTwoMeasuredBucketsTimeGrowsLinearly) {
  const CostModel cost({1, 2, 4, 6, 8}, {{1, 10 * ms}, {4, 40 * ms}, {8, 60 * ms}});
  EXPECT_EQ(cost.Expected(1), 10 * ms);
  EXPECT_EQ(cost.Expected(2), 20 * ms);
  EXPECT_EQ(cost.Expected(6), 50 * ms);
  EXPECT_EQ(cost.Expected(8), 60 * ms);
}

TEST(CostModelTest, BeyondTheLastSampleTimeIsInProportion) {
  const CostModel cost({1, 2, 3}, {{1, 10 * ms}});
  EXPECT_EQ(cost.Expected(3), 30 * ms);
}

TEST(CostModelTest, ABatchIsPaddedToTheBucketThatHoldsIt) {
  const CostModel cost = Known({1, 2, 4, 8}, Fixed(10 * ms, ms));
  EXPECT_EQ(cost.BucketFor(1), 1);
  EXPECT_EQ(cost.BucketFor(3), 4);
  EXPECT_EQ(cost.BucketFor(5), 8);
  EXPECT_EQ(cost.Expected(5), 18 * ms);
}

TEST(CostModelTest, ABatchRunsInALargerBucketIfThatIsFaster) {
  const CostModel cost = Known({1, 2, 4}, [](int bucket) { return (bucket == 2 ? 30 : 20) * ms; });
  EXPECT_EQ(cost.BucketFor(2), 4);
  EXPECT_EQ(cost.Expected(2), 20 * ms);
}

TEST(CostModelTest, WhereEverySizeIsABucketNoneIsPaddedHoweverLongItTook) {
  CostModel cost = Known({1, 2, 3}, Linear(10 * ms));
  for (int i = 0; i < 2; ++i) cost.Observe(1, 35 * ms, t0);
  EXPECT_EQ(cost.BucketFor(1), 1);
  EXPECT_EQ(cost.Expected(1), 20 * ms);
}

TEST(CostModelTest, ABucketLearnsFromItsOwnRunsAlone) {
  CostModel cost = Known({1, 2, 4}, Linear(10 * ms));
  for (int i = 0; i < 300; ++i) cost.Observe(2, 22 * ms, t0);
  EXPECT_NEAR(Ms(cost.Expected(2)), 22, 0.1);
  EXPECT_EQ(cost.Expected(1), 10 * ms);
  EXPECT_EQ(cost.Expected(4), 40 * ms);
}

TEST(CostModelTest, TwoSurprisesInARowReplaceAnEstimate) {
  for (absl::Duration truth : {ms, 1000 * ms}) {
    CostModel cost = Known({1}, Flat(10 * ms));
    cost.Observe(1, truth, t0);
    cost.Observe(1, truth, t0);
    EXPECT_EQ(cost.Expected(1), truth);
  }
}

TEST(CostModelTest, WhatABatchThatStoodStillTaughtIsPutRightByTheNext) {
  CostModel cost = Known({1}, Flat(10 * ms));
  for (int i = 0; i < 20; ++i) cost.Observe(1, 10 * ms, t0);
  cost.Observe(1, absl::Seconds(30), t0);
  EXPECT_FALSE(cost.Trusted(1, t0));
  cost.Observe(1, 10 * ms, t0);
  EXPECT_EQ(cost.Expected(1), 10 * ms);
}

TEST(CostModelTest, BatchesThatAreHeldUpNowAndThenCountInTheMean) {
  CostModel cost = Known({1}, Flat(10 * ms));
  for (int i = 0; i < 500; ++i) cost.Observe(1, i % 10 == 0 ? 20 * ms : 10 * ms, t0);
  EXPECT_NEAR(Ms(cost.Expected(1)), 11, 0.2);
}

TEST(CostModelTest, AMeasurementThatTheFirstRunRefutesIsReplacedByIt) {
  CostModel cost({1, 2}, {{1, 270 * ms}});
  cost.Observe(1, 2.7 * ms, t0);
  EXPECT_EQ(cost.Expected(1), 2.7 * ms);
}

TEST(CostModelTest, AMeasurementThatTheFirstRunConfirmsCountsForSixteenRuns) {
  CostModel cost({1}, {{1, 17 * ms}});
  cost.Observe(1, 18.7 * ms, t0);
  EXPECT_NEAR(absl::ToDoubleMilliseconds(cost.Expected(1)), 17.1, 1e-4);
  EXPECT_TRUE(cost.Trusted(1, t0));
}

TEST(CostModelTest, NoiseAveragesOut) {
  CostModel cost = Known({1}, Flat(10 * ms));
  for (int i = 0; i < 1000; ++i) cost.Observe(1, i % 2 == 0 ? 8 * ms : 12 * ms, t0);
  EXPECT_NEAR(Ms(cost.Expected(1)), 10, 0.1);
}

TEST(CostModelTest, ATimeOfNothingTeachesNothing) {
  CostModel cost = Known({1}, Flat(10 * ms));
  for (int i = 0; i < 10; ++i) cost.Observe(1, -i * ms, t0);
  EXPECT_EQ(cost.Expected(1), 10 * ms);
}

TEST(CostModelTest, OnlyARunMakesATimeTrustedAndOnlyForAWhile) {
  CostModel cost({1}, {{1, 10 * ms}});
  EXPECT_FALSE(cost.Trusted(1, t0));
  cost.Observe(1, 10 * ms, t0);
  EXPECT_TRUE(cost.Trusted(1, t0 + absl::Seconds(59)));
  EXPECT_FALSE(cost.Trusted(1, t0 + absl::Seconds(61)));
}

TEST(CostModelTest, ABucketThatIsNotTrustedCostsNoMoreThanTheSmallerOneInProportion) {
  CostModel cost({1, 2, 4}, {{1, 10 * ms}, {2, 500 * ms}, {4, 500 * ms}});
  EXPECT_EQ(cost.Expected(4), 40 * ms);
  cost.Observe(2, 19 * ms, t0);
  EXPECT_EQ(cost.Expected(4), 38 * ms);
}

TEST(CostModelTest, ABucketIsTriedThatCanBeFilledAndHasNotRun) {
  CostModel cost({1, 2, 4, 8}, {{1, 10 * ms}});
  cost.Observe(1, 10 * ms, t0);
  EXPECT_EQ(cost.ToTry(/*chosen=*/1, /*waiting=*/1, t0), 0);
  EXPECT_EQ(cost.ToTry(1, 2, t0), 2);
  cost.Observe(2, 20 * ms, t0);
  EXPECT_EQ(cost.ToTry(1, 2, t0), 0);
  EXPECT_EQ(cost.ToTry(1, 3, t0), 4);  // just holds them
  EXPECT_EQ(cost.ToTry(1, 200, t0), 4);
}

TEST(CostModelTest, ASmallerBucketThanTheChosenOneIsTriedOnceIfItHasNotRun) {
  CostModel cost({1, 2, 4}, {{1, 10 * ms}});
  EXPECT_EQ(cost.ToTry(4, 4, t0), 1);
  cost.Observe(1, 25 * ms, t0);
  EXPECT_EQ(cost.ToTry(4, 4, t0), 2);
}

TEST(CostModelTest, EachBucketIsTrustedByItsOwnRuns) {
  CostModel cost = Known({1, 8}, Flat(10 * ms));
  const absl::Time later = t0 + absl::Minutes(2);
  cost.Observe(8, 10 * ms, later);
  EXPECT_TRUE(cost.Trusted(8, later));
  EXPECT_TRUE(cost.Trusted(5, later));  // they run in the bucket of eight
  EXPECT_FALSE(Known({1, 8}, Linear(10 * ms)).Trusted(1, later));
}

TEST(CostModelTest, ABucketThatIsUnderWayIsNotTriedOnceMore) {
  CostModel cost({1, 2}, {{1, 10 * ms}});
  EXPECT_EQ(cost.ToTry(/*chosen=*/2, /*waiting=*/2, t0), 1);
  cost.Started(1, t0);
  EXPECT_EQ(cost.ToTry(2, 2, t0), 2);
}

TEST(CostModelTest, ABucketIsTriedAgainAfterAMinute) {
  CostModel cost = Known({1, 2}, Linear(10 * ms));
  cost.Observe(1, 10 * ms, t0 + absl::Seconds(30));
  EXPECT_EQ(cost.ToTry(1, 2, t0 + absl::Seconds(59)), 0);
  EXPECT_EQ(cost.ToTry(1, 2, t0 + absl::Seconds(61)), 2);
}

TEST(CostModelTest, WhereEverySizeIsABucketOnlyDoublingsAndTheLargestAreTried) {
  CostModel cost({1, 2, 3, 4, 5, 6, 7}, {{1, 10 * ms}});
  std::vector<int> tried;
  while (const int bucket = cost.ToTry(1, 9, t0)) {
    tried.push_back(bucket);
    cost.Observe(bucket, bucket * 10 * ms, t0);
  }
  EXPECT_THAT(tried, ElementsAre(1, 2, 4, 7));
}

TEST(CostModelTest, ALimitCutsOffTheLargerBucketsAndIsNeverRaised) {
  CostModel cost = Known({1, 2, 4, 8}, Linear(10 * ms));
  cost.Limit(4);
  cost.Limit(6);
  EXPECT_THAT(cost.sizes(), ElementsAre(1, 2, 4));
  cost.Observe(8, 600 * ms, t0);  // was under way
  EXPECT_EQ(cost.max_batch(), 4);
  EXPECT_EQ(cost.Expected(4), 40 * ms);
  cost.Limit(1);
  EXPECT_EQ(cost.max_batch(), 1);
}

TEST(CostModelTest, UnderALimitNoBatchRunsInALargerBucketHoweverFast) {
  CostModel cost = Known({1, 2, 4}, [](int bucket) { return (bucket == 2 ? 30 : 20) * ms; });
  cost.Limit(2);
  EXPECT_EQ(cost.BucketFor(2), 2);
  EXPECT_EQ(cost.Expected(2), 30 * ms);
}

}  // namespace
}  // namespace patchserve
