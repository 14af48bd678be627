#include "server/scheduling/batch_rule.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <vector>

#include "tests/scheduling/batch_rule_fixture.h"

namespace patchserve {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST_F(BatchRuleTest, AnEmptyRuleHasNothingToRun) {
  rule.AddModel({}, Flat(4));
  EXPECT_EQ(rule.Next(t0, 1).model, -1);
}

TEST_F(BatchRuleTest, AnIdleDeviceTakesALoneItemAtOnce) {
  const int model = rule.AddModel({}, Flat(4));
  Push(model, {15});
  EXPECT_THAT(rule.Next(t0, 1).batch, ElementsAre(1));
}

TEST_F(BatchRuleTest, WhatCameWhileTheDeviceWasBusyLeavesTogetherEarliestDeadlineFirst) {
  const int model = rule.AddModel({}, Flat(4));
  Push(model, {90, 60, 70});
  EXPECT_THAT(rule.Next(t0 + 5 * ms, 1).batch, ElementsAre(2, 3, 1));
}

TEST_F(BatchRuleTest, EqualDeadlinesLeaveInTheOrderOfArrival) {
  const int model = rule.AddModel({}, Flat(4));
  Push(model, {50, 50, 50});
  EXPECT_THAT(rule.Next(t0, 1).batch, ElementsAre(1, 2, 3));
}

TEST_F(BatchRuleTest, ABatchHoldsMaxBatchItemsAndTheRestComesNext) {
  const int model = rule.AddModel({}, Flat(2));
  Push(model, {50, 51, 52});
  EXPECT_THAT(rule.Next(t0, 1).batch, ElementsAre(1, 2));
  EXPECT_THAT(rule.Next(t0, 1).batch, ElementsAre(3));
}

TEST_F(BatchRuleTest, WhereBatchingSavesNothingImagesRunOneByOne) {
  const int model = rule.AddModel({}, Linear(4));
  Push(model, {500, 500, 500});
  EXPECT_THAT(rule.Next(t0, 1).batch, ElementsAre(1));
}

TEST_F(BatchRuleTest, IdleRunnersShareWhatWaitsIfThatTakesHardlyMoreOfTheirTime) {
  BatchRule<int> two({.runners = 2, .independent_runners = true});
  // 1 ms for the batch and 9 for each image: halves take 38 ms together, the whole 37.
  const int model = two.AddModel({}, CostModel({{1, 10 * ms}, {8, 73 * ms}}, 8));
  for (int item : {1, 2, 3, 4}) two.Push(model, item, t0 + 100 * ms, t0);
  EXPECT_THAT(two.Next(t0, 2).batch, ElementsAre(1, 2));
  EXPECT_THAT(two.Next(t0, 1).batch, ElementsAre(3, 4));
}

TEST_F(BatchRuleTest, WhereALargeBatchTakesNoLongerARunnerTakesAllAndTheOtherStaysFree) {
  BatchRule<int> two({.runners = 2, .independent_runners = true});
  const int model = two.AddModel({}, Flat(8));
  for (int item : {1, 2, 3, 4}) two.Push(model, item, t0 + 100 * ms, t0);
  EXPECT_THAT(two.Next(t0, 2).batch, ElementsAre(1, 2, 3, 4));
}

TEST_F(BatchRuleTest, ABatchIsNoLargerThanItsMostUrgentItemAllows) {
  // 10 ms and 5 ms for each further image: four would take 25 ms.
  const int model = rule.AddModel({}, CostModel({{1, 10 * ms}, {4, 25 * ms}}, 4));
  Push(model, {18, 60, 60, 60});
  EXPECT_THAT(rule.Next(t0, 1).batch, ElementsAre(1, 2));
}

TEST_F(BatchRuleTest, AnItemThatCouldOnlyBeLateIsDroppedAndNotRun) {
  const int model = rule.AddModel({}, Flat(4));
  Push(model, {9, 30});  // 9 ms are left, a batch takes 10
  const auto decision = rule.Next(t0, 1);
  EXPECT_THAT(decision.batch, ElementsAre(2));
  EXPECT_THAT(Dropped(decision.dropped, DropReason::kExpired), ElementsAre(1));
}

TEST_F(BatchRuleTest, ACancelledItemIsDroppedAndLeavesItsPlaceToAnother) {
  const int model = rule.AddModel({}, Flat(2));
  Push(model, {50, 51, 52});
  cancelled = {1};
  const auto decision = rule.Next(t0, 1);
  EXPECT_THAT(decision.batch, ElementsAre(2, 3));
  EXPECT_THAT(Dropped(decision.dropped, DropReason::kCancelled), ElementsAre(1));
}

TEST_F(BatchRuleTest, WithOnlyDeadItemsNothingRunsAndTheyAreDropped) {
  const int model = rule.AddModel({}, Flat(2));
  Push(model, {20, 21, 22});
  const auto decision = rule.Next(t0 + 50 * ms, 1);
  EXPECT_EQ(decision.model, -1);
  EXPECT_THAT(decision.batch, IsEmpty());
  EXPECT_THAT(Dropped(decision.dropped, DropReason::kExpired), ElementsAre(1, 2, 3));
  EXPECT_EQ(rule.queued(), 0);
}

TEST_F(BatchRuleTest, TheDeadCanBeTakenOutWhileTheDeviceIsBusy) {
  const int a = rule.AddModel({}, Flat(2));
  const int b = rule.AddModel({}, Flat(2));
  Push(a, {90, 20});
  Push(b, {80});
  cancelled = {1};
  const auto dead = rule.TakeDead(t0 + 20 * ms);
  EXPECT_THAT(Dropped(dead, DropReason::kCancelled), ElementsAre(1));
  EXPECT_THAT(Dropped(dead, DropReason::kExpired), ElementsAre(2));
  EXPECT_EQ(rule.queued(), 1);
  EXPECT_EQ(rule.queued(b), 1);
}

// A batch of one takes 10 ms, of four 16. Items bring 40 ms.
class OverloadTest : public BatchRuleTest {
 protected:
  // Fifty come in gaps of `gap`; one waits that has 12 ms left, and four with 40.
  void ComeEvery(absl::Duration gap, bool admitted = false) {
    for (int i = 0; i < 50; ++i) {
      const absl::Time now = t0 + (i - 50) * gap;
      rule.Push(model, 0, now + 40 * ms, now);
      rule.Next(now, 1, /*may_wait=*/false);
    }
    while (rule.queued() > 0) rule.Next(t0, 1, /*may_wait=*/false);
    rule.Push(model, 1, t0 + 12 * ms, t0, admitted);
    for (int item : {2, 3, 4, 5}) rule.Push(model, item, t0 + 40 * ms, t0);
  }
  const int model = rule.AddModel({}, CostModel({{1, 10 * ms}, {4, 16 * ms}}, 4));
};

TEST_F(OverloadTest, TheMostUrgentAreLeftBehindForALargeBatch) {
  ComeEvery(2 * ms);  // twice what the device can do
  EXPECT_THAT(rule.Next(t0, 1).batch, ElementsAre(2, 3, 4, 5));
}

TEST_F(OverloadTest, WhoWasAdmittedIsNotLeftBehind) {
  ComeEvery(2 * ms, /*admitted=*/true);
  EXPECT_THAT(rule.Next(t0, 1).batch, ElementsAre(1));
}

TEST_F(OverloadTest, WithTimeEnoughForAllTheMostUrgentGoFirst) {
  ComeEvery(20 * ms);
  EXPECT_THAT(rule.Next(t0, 1).batch, ElementsAre(1));
}

TEST_F(OverloadTest, WhatWasLeftBehindRunsIfNothingBetterCan) {
  ComeEvery(2 * ms);
  EXPECT_EQ(rule.Next(t0, 1).batch.size(), 4);
  EXPECT_THAT(rule.Next(t0, 1).batch, ElementsAre(1));
}

TEST_F(BatchRuleTest, AFullQueueGivesTheItemBack) {
  const int model = rule.AddModel({.max_queued = 2}, Flat(4));
  Push(model, {50, 50});
  EXPECT_EQ(rule.Push(model, 3, t0 + 50 * ms, t0), 3);
  EXPECT_EQ(rule.queued(), 2);
}

TEST_F(BatchRuleTest, ASmallerLimitHoldsFromTheNextBatchOn) {
  const int model = rule.AddModel({}, Flat(4));
  Push(model, {50, 51, 52});
  rule.LimitBatch(model, 2);
  rule.LimitBatch(model, 3);  // never raised
  EXPECT_THAT(rule.Next(t0, 1).batch, ElementsAre(1, 2));
}

TEST_F(BatchRuleTest, TheModelThatCanWaitLeastGoesFirstAndBatchesDontMix) {
  const int a = rule.AddModel({}, Flat(4));
  const int b = rule.AddModel({}, Flat(4));
  Push(a, {50});
  Push(b, {20});
  Push(a, {30});
  auto decision = rule.Next(t0, 1);
  EXPECT_EQ(decision.model, b);
  EXPECT_THAT(decision.batch, ElementsAre(2));
  decision = rule.Next(t0, 1);
  EXPECT_EQ(decision.model, a);
  EXPECT_THAT(decision.batch, ElementsAre(3, 1));
}

TEST_F(BatchRuleTest, AModelUnderABurstDoesNotStarveAnother) {
  const int burst = rule.AddModel({}, Flat(1));
  const int calm = rule.AddModel({}, Flat(1));
  rule.Push(calm, 1000, t0 + 100 * ms, t0);
  int turns = 0;
  for (absl::Time now = t0;; now += 10 * ms, ++turns) {  // always another one, due in 100 ms
    rule.Push(burst, turns, now + 100 * ms, now);
    if (rule.Next(now, 1).model == calm) break;
  }
  EXPECT_LE(turns, 1);  // its deadline was the earliest, but for the tie at the start
}

TEST_F(BatchRuleTest, UnderOverloadModelsTakeTurnsWhoeverIsMoreUrgent) {
  const int burst = rule.AddModel({}, Flat(4));
  const int steady = rule.AddModel({}, Flat(4));
  int served = 0;
  for (int turn = 0; turn < 40; ++turn) {
    const absl::Time now = t0 + turn * 10 * ms;
    for (int i = 0; i < 12; ++i) rule.Push(burst, i, now + 30 * ms, now);
    if (turn % 4 == 0) rule.Push(steady, turn, now + 35 * ms, now);
    served += rule.Next(now, 1).model == steady;
  }
  EXPECT_EQ(served, 10);  // all that came
}

TEST_F(BatchRuleTest, WhatIsRefusedCountsAsOverloadToo) {
  const int a = rule.AddModel({}, Flat(1));
  const int b = rule.AddModel({}, Flat(1));
  for (int i = 0; i < 100; ++i) rule.Arrive(b, t0 + i * ms + 50 * ms, t0 + i * ms);
  const absl::Time now = t0 + 100 * ms;
  for (int i = 0; i < 4; ++i) {
    rule.Push(a, i, now + 90 * ms, now);
    rule.Push(b, 10 + i, now + 50 * ms, now, /*admitted=*/true);
  }
  std::vector<int> order;
  for (int turn = 0; turn < 4; ++turn) order.push_back(rule.Next(now, 1).model);
  EXPECT_THAT(order, ElementsAre(a, b, a, b));  // and not the more urgent first
}

// A model with much traffic beside one with a full queue that can wait, and then more
// than the device can do: what was done while there was time for all doesn't count.
TEST_F(BatchRuleTest, WhatAModelGotWhileThereWasTimeForAllIsNoDebt) {
  const int busy = rule.AddModel({}, Flat(1));
  const int patient = rule.AddModel({}, Flat(1));
  int turn = 0;
  for (; turn < 200; ++turn) {
    const absl::Time now = t0 + turn * 10 * ms;
    if (turn % 10 < 7) rule.Push(busy, turn, now + 50 * ms, now);
    if (rule.queued(patient) < 4) rule.Push(patient, turn, now + absl::Hours(1), now);
    rule.Next(now, 1);
  }
  int of_busy = 0;
  for (int i = 0; i < 60; ++i, ++turn) {
    const absl::Time now = t0 + turn * 10 * ms;
    for (int n = 0; n < 2; ++n) rule.Push(busy, turn, now + 50 * ms, now);
    if (rule.queued(patient) < 4) rule.Push(patient, turn, now + absl::Hours(1), now);
    of_busy += rule.Next(now, 1).model == busy;
  }
  EXPECT_GE(of_busy, 25);
}

TEST_F(BatchRuleTest, WhoIsNotSureToBeInTimeTakesThoseAlongWhoCostNothing) {
  const int model = rule.AddModel({}, Flat(4));
  for (int i = 1; i <= 3; ++i) rule.Push(model, i, t0 + 10.5 * i * ms, t0, /*admitted=*/true);
  EXPECT_THAT(rule.Next(t0, 1).batch, ElementsAre(1, 2, 3));
}

TEST_F(BatchRuleTest, ACallWhoseDeadlineHasPassedExpiredAndWasNotCancelled) {
  const int model = rule.AddModel({}, Flat(4));
  Push(model, {15, 30});
  cancelled = {1, 2};
  const auto dropped = rule.TakeDead(t0 + 20 * ms);
  EXPECT_THAT(Dropped(dropped, DropReason::kExpired), ElementsAre(1));
  EXPECT_THAT(Dropped(dropped, DropReason::kCancelled), ElementsAre(2));
}

TEST_F(BatchRuleTest, AModelThatWasIdleHasSavedNoTurns) {
  const int a = rule.AddModel({}, Flat(1));
  const int b = rule.AddModel({}, Flat(1));
  std::vector<int> order;
  for (int turn = 0; turn < 60; ++turn) {
    const absl::Time now = t0 + turn * 10 * ms;
    for (int i = 0; i < 3; ++i) rule.Push(a, i, now + 50 * ms, now);
    if (turn >= 50) rule.Push(b, turn, now + 50 * ms, now);
    const int model = rule.Next(now, 1).model;
    if (turn >= 50) order.push_back(model);
  }
  EXPECT_EQ(std::count(order.begin(), order.end(), b), 5);
}

// Two arrivals every ms bring 15 ms, and a batch takes 10: who comes in the first half of
// a run is late after it.
class WaitingTest : public BatchRuleTest {
 protected:
  WaitingTest() {
    for (int i = 0; i < 50; ++i) {
      const absl::Time now = t0 + i * 0.5 * ms;
      rule.Push(model, i, now + 15 * ms, now);
      rule.Next(now, 1, /*may_wait=*/false);
    }
    rule.Push(model, 100, now + 15 * ms, now);
  }
  const absl::Time now = t0 + 25 * ms;
  const int model = rule.AddModel({}, Flat(64));
};

TEST_F(WaitingTest, TheLastFreeRunnerWaitsWhereRunsMakeOthersLate) {
  const auto decision = rule.Next(now, 1);
  EXPECT_EQ(decision.model, -1);
  EXPECT_GT(decision.wake, now + 3 * ms);
  EXPECT_LT(decision.wake, now + 5 * ms);  // or its item would be late
  EXPECT_THAT(rule.Next(decision.wake, 1).batch, ElementsAre(100));
}

TEST_F(WaitingTest, NobodyWaitsOnceTheBatchIsAsLargeAsPays) {
  for (int item = 101; item < 164; ++item) rule.Push(model, item, now + 15 * ms, now);
  EXPECT_EQ(rule.Next(now, 1).batch.size(), 64);
}

TEST_F(WaitingTest, ALoneItemOfAnotherModelRunsAtOnceSinceItsRunGetsNoBetter) {
  const int slow = rule.AddModel({}, Flat(64));
  rule.Push(slow, 200, now + absl::Hours(1), now);
  EXPECT_EQ(rule.Next(t0 + 29 * ms, 1).model, model);  // whose item has waited enough
  EXPECT_EQ(rule.Next(t0 + 29 * ms, 1).model, slow);
}

TEST_F(WaitingTest, NobodyWaitsLongerThanARunTakes) {
  for (int i = 0; i < 200; ++i) {
    const absl::Time then = now + i * 0.5 * ms;
    rule.Push(model, i, then + 15 * ms, then);
    rule.Next(then, 1, /*may_wait=*/false);
  }
  const absl::Time then = now + 100 * ms;
  rule.Push(model, 300, then + absl::Hours(1), then);
  const auto decision = rule.Next(then, 1);
  EXPECT_TRUE(decision.model == model || decision.wake <= then + 11 * ms);
}

TEST_F(WaitingTest, ARunnerDoesNotWaitWhileAnotherIsFree) {
  EXPECT_THAT(rule.Next(now, 2).batch, ElementsAre(100));
}

TEST_F(BatchRuleTest, WithTimeForTwoBatchesNobodyWaits) {
  const int model = rule.AddModel({}, Flat(64));
  for (int i = 0; i < 50; ++i) {
    const absl::Time now = t0 + i * 0.5 * ms;
    rule.Push(model, i, now + 25 * ms, now);
    EXPECT_EQ(rule.Next(now, 1).model, model);
  }
}

// A stream of items without a deadline, five of which wait, and every 20 ms one that
// brings `budget`. A batch of one takes 10 ms, each image more 8.
int BatchBeside(absl::Duration budget) {
  BatchRule<int> rule({});
  const int model = rule.AddModel({}, CostModel({{1, 10 * ms}, {8, 66 * ms}}, 8));
  for (int i = 0; i < 100; ++i) {
    const absl::Time then = t0 + i * 10 * ms;
    rule.Push(model, i, then + (i % 2 == 0 ? budget : absl::Hours(1)), then);
    rule.Next(then, 1);
  }
  const absl::Time now = t0 + absl::Seconds(1);
  for (int i = 100; i < 105; ++i) rule.Push(model, i, now + absl::Hours(1), now);
  return static_cast<int>(rule.Next(now, 1).batch.size());
}

TEST(StreamTest, ABatchEndsBeforeThoseWithLittleTimeAreLate) {
  EXPECT_EQ(BatchBeside(30 * ms), 2);
  EXPECT_EQ(BatchBeside(300 * ms), 3);  // more don't pay
}

TEST_F(WaitingTest, NobodyWaitsLongerThanTheLongestDelay) {
  BatchRule<int> impatient({.max_delay = 2 * ms});
  ASSERT_EQ(impatient.AddModel({}, Flat(64)), model);
  for (int i = 0; i < 50; ++i) {
    const absl::Time then = t0 + i * 0.5 * ms;
    impatient.Push(model, i, then + 15 * ms, then);
    impatient.Next(then, 1, /*may_wait=*/false);
  }
  impatient.Push(model, 100, now + 15 * ms, now);
  EXPECT_EQ(impatient.Next(now, 1).wake, now + 2 * ms);
  EXPECT_THAT(impatient.Next(now + 2 * ms, 1).batch, ElementsAre(100));
}

TEST_F(BatchRuleTest, ARemovedModelsNumberIsGivenToTheNext) {
  const int a = rule.AddModel({}, Flat(4)), b = rule.AddModel({}, Flat(4));
  rule.RemoveModel(a);
  EXPECT_EQ(rule.AddModel({}, Linear(8)), a);
  EXPECT_EQ(rule.cost(a).max_batch(), 8);
  EXPECT_EQ(rule.AddModel({}, Flat(4)), b + 1);
}

}  // namespace
}  // namespace patchserve
