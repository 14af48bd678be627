#include "server/scheduling/arrivals.h"

#include <gtest/gtest.h>

namespace patchserve {
namespace {

constexpr absl::Duration ms = absl::Milliseconds(1);
const absl::Time t0 = absl::UnixEpoch();

// Every 10 ms one, with these budgets in turn.
Arrivals EveryTenMs(std::initializer_list<int> budgets_ms) {
  Arrivals arrivals;
  absl::Time now = t0;
  for (int i = 0; i < 32; ++i) {
    for (int budget : budgets_ms) arrivals.Add(now += 10 * ms, budget * ms);
  }
  return arrivals;
}
absl::Time End(size_t budgets) { return t0 + 32.0 * budgets * 10 * ms; }

TEST(ArrivalsTest, NothingIsExpectedWhileTooFewHaveCome) {
  Arrivals arrivals;
  for (int i = 0; i < 9; ++i) arrivals.Add(t0 + i * ms, ms);
  EXPECT_EQ(arrivals.Expected(t0 + 9 * ms, absl::Seconds(1)), 0);
}

TEST(ArrivalsTest, AsManyAreExpectedAsCameOfLate) {
  EXPECT_NEAR(EveryTenMs({100}).Expected(End(1), 200 * ms), 20, 1e-6);
}

TEST(ArrivalsTest, ABurstOfTheFirstFewDoesNotMeanThatManyMoreCome) {
  Arrivals arrivals;
  for (int i = 0; i < 10; ++i) arrivals.Add(t0 + i * absl::Microseconds(1), 100 * ms);
  EXPECT_EQ(arrivals.Expected(t0 + ms, 100 * ms), 10);
}

TEST(ArrivalsTest, ALongPauseLowersWhatIsExpectedAndAnOrdinaryOneDoesNot) {
  EXPECT_NEAR(EveryTenMs({100}).Expected(End(1) + 4000 * ms, absl::Seconds(1)), 25, 1e-6);
  EXPECT_NEAR(EveryTenMs({100}).Expected(End(1) + 40 * ms, 200 * ms), 20, 1e-6);
}

TEST(ArrivalsTest, TheRateFollowsAChangeWithinAFewHundredArrivals) {
  Arrivals arrivals = EveryTenMs({100});
  absl::Time now = End(1);
  for (int i = 0; i < 1000; ++i) arrivals.Add(now += ms, 100 * ms);
  EXPECT_NEAR(arrivals.Rate(now), 1000, 100);
}

TEST(ArrivalsTest, WhileNoneHasComeAllAreTakenToBeAbleToWait) {
  EXPECT_EQ(Arrivals().ShareThatCanWait(10 * ms, 10 * ms), 1);
}

TEST(ArrivalsTest, ARequestCanWaitIfItsBudgetHoldsTheWaitAndTheBatch) {
  // A batch takes 20 ms, a runner comes free every 40: at once, or up to 40 ms later.
  EXPECT_DOUBLE_EQ(EveryTenMs({60}).ShareThatCanWait(40 * ms, 20 * ms), 1);
  EXPECT_DOUBLE_EQ(EveryTenMs({30}).ShareThatCanWait(40 * ms, 20 * ms), 0.25);
  EXPECT_DOUBLE_EQ(EveryTenMs({10}).ShareThatCanWait(40 * ms, 20 * ms), 0);
}

TEST(ArrivalsTest, TheShareIsTheMeanOverBudgets) {
  EXPECT_DOUBLE_EQ(EveryTenMs({10, 30, 60, 90'000}).ShareThatCanWait(40 * ms, 20 * ms), 0.5625);
}

TEST(ArrivalsTest, ThoseAreLostThatComeTooEarlyInARunForTheirBudget) {
  const Arrivals arrivals = EveryTenMs({50});
  // Blocked for 60 ms and then run for 20: a budget of 50 is too little for those of the first 30.
  EXPECT_NEAR(arrivals.Lost(End(1), 60 * ms, 20 * ms), 3, 1e-6);
  EXPECT_EQ(arrivals.Lost(End(1), 30 * ms, 20 * ms), 0);
  EXPECT_NEAR(arrivals.Lost(End(1), 20 * ms, 90 * ms), 2, 1e-6);  // all that come
}

TEST(ArrivalsTest, AFewShortBudgetsAreSeenAmongManyLongOnes) {
  EXPECT_NEAR(EveryTenMs({50, 90'000, 90'000, 90'000}).Lost(End(4), 60 * ms, 20 * ms), 0.75, 1e-6);
}

TEST(ArrivalsTest, OfThoseThatWillComeTheShortBudgetsAreDueFirst) {
  const Arrivals arrivals = EveryTenMs({50, 90'000});
  // Of the next second's 100, half have 50 ms: those that come in the first 450 ms are due by 500.
  EXPECT_NEAR(arrivals.ExpectedDue(End(2), absl::Seconds(1), 500 * ms), 22.5, 1e-6);
  EXPECT_EQ(arrivals.ExpectedDue(End(2), absl::Seconds(1), 50 * ms), 0);
}

}  // namespace
}  // namespace patchserve
