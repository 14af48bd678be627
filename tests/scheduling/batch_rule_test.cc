#include "server/scheduling/batch_rule.h"

#include <gmock/gmock.h>

#include <set>
#include <vector>

namespace patchserve {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const absl::Time t0 = absl::UnixEpoch();
const absl::Duration ms = absl::Milliseconds(1);

// Items are integers; those in `cancelled` have lost their caller.
class BatchRuleTest : public ::testing::Test {
 protected:
  std::set<int> cancelled;
  BatchRule<int> rule{[this](const int& item) { return cancelled.contains(item); }};

  std::vector<int> Dropped(const BatchRule<int>::Decision& decision, DropReason reason) {
    std::vector<int> items;
    for (const auto& dropped : decision.dropped) {
      if (dropped.reason == reason) items.push_back(dropped.item);
    }
    return items;
  }
};

TEST_F(BatchRuleTest, AnEmptyRuleHasNothingToRun) {
  rule.AddModel({});
  EXPECT_EQ(rule.Next(t0).model, -1);
}

TEST_F(BatchRuleTest, ALoneItemLeavesAtOnce) {
  const int model = rule.AddModel({.max_batch = 4});
  rule.Push(model, 1, t0 + 50 * ms);
  EXPECT_THAT(rule.Next(t0).batch, ElementsAre(1));
}

TEST_F(BatchRuleTest, WhatCameWhileTheDeviceWasBusyLeavesTogetherEarliestDeadlineFirst) {
  const int model = rule.AddModel({.max_batch = 4});
  rule.Push(model, 1, t0 + 90 * ms);
  rule.Push(model, 2, t0 + 60 * ms);
  rule.Push(model, 3, t0 + 70 * ms);
  EXPECT_THAT(rule.Next(t0 + 5 * ms).batch, ElementsAre(2, 3, 1));
}

TEST_F(BatchRuleTest, EqualDeadlinesLeaveInTheOrderOfArrival) {
  const int model = rule.AddModel({.max_batch = 4});
  for (int item : {1, 2, 3}) rule.Push(model, item, t0 + ms);
  EXPECT_THAT(rule.Next(t0).batch, ElementsAre(1, 2, 3));
}

TEST_F(BatchRuleTest, ABatchHoldsMaxBatchItemsAndTheRestComesNext) {
  const int model = rule.AddModel({.max_batch = 2});
  for (int item : {1, 2, 3}) rule.Push(model, item, t0 + item * ms);
  EXPECT_THAT(rule.Next(t0).batch, ElementsAre(1, 2));
  EXPECT_THAT(rule.Next(t0).batch, ElementsAre(3));
}

TEST_F(BatchRuleTest, ASmallerMaxBatchHoldsFromTheNextBatchOn) {
  const int model = rule.AddModel({.max_batch = 4});
  for (int item : {1, 2, 3}) rule.Push(model, item, t0 + item * ms);
  rule.LimitBatch(model, 2);
  rule.LimitBatch(model, 3);  // never raised
  EXPECT_THAT(rule.Next(t0).batch, ElementsAre(1, 2));
}

TEST_F(BatchRuleTest, AFullQueueGivesTheItemBack) {
  const int model = rule.AddModel({.max_batch = 4, .max_queued = 2});
  EXPECT_EQ(rule.Push(model, 1, t0 + ms), std::nullopt);
  EXPECT_EQ(rule.Push(model, 2, t0 + ms), std::nullopt);
  EXPECT_EQ(rule.Push(model, 3, t0 + ms), 3);
  EXPECT_EQ(rule.queued(), 2);
}

TEST_F(BatchRuleTest, AnItemWhoseDeadlineHasPassedIsDroppedAndNotRun) {
  const int model = rule.AddModel({.max_batch = 4});
  rule.Push(model, 1, t0 + 10 * ms);
  rule.Push(model, 2, t0 + 30 * ms);
  const auto decision = rule.Next(t0 + 10 * ms);
  EXPECT_THAT(decision.batch, ElementsAre(2));
  EXPECT_THAT(Dropped(decision, DropReason::kExpired), ElementsAre(1));
}

TEST_F(BatchRuleTest, ACancelledItemIsDroppedAndLeavesItsPlaceToAnother) {
  const int model = rule.AddModel({.max_batch = 2});
  for (int item : {1, 2, 3}) rule.Push(model, item, t0 + item * ms);
  cancelled = {1};
  const auto decision = rule.Next(t0);
  EXPECT_THAT(decision.batch, ElementsAre(2, 3));
  EXPECT_THAT(Dropped(decision, DropReason::kCancelled), ElementsAre(1));
}

TEST_F(BatchRuleTest, WithOnlyDeadItemsNothingRunsAndTheyAreDropped) {
  const int model = rule.AddModel({.max_batch = 2});
  for (int item : {1, 2, 3}) rule.Push(model, item, t0 + item * ms);
  const auto decision = rule.Next(t0 + 50 * ms);
  EXPECT_EQ(decision.model, -1);
  EXPECT_THAT(decision.batch, IsEmpty());
  EXPECT_THAT(Dropped(decision, DropReason::kExpired), ElementsAre(1, 2, 3));
  EXPECT_EQ(rule.queued(), 0);
}

TEST_F(BatchRuleTest, TheDeadCanBeTakenOutWhileTheDeviceIsBusy) {
  const int a = rule.AddModel({.max_batch = 2});
  const int b = rule.AddModel({.max_batch = 2});
  rule.Push(a, 1, t0 + 90 * ms);
  rule.Push(a, 2, t0 + 10 * ms);
  rule.Push(b, 3, t0 + 80 * ms);
  cancelled = {1};
  BatchRule<int>::Decision dead;
  dead.dropped = rule.TakeDead(t0 + 20 * ms);
  EXPECT_THAT(Dropped(dead, DropReason::kCancelled), ElementsAre(1));
  EXPECT_THAT(Dropped(dead, DropReason::kExpired), ElementsAre(2));
  EXPECT_EQ(rule.queued(), 1);
  EXPECT_EQ(rule.queued(b), 1);
}

TEST_F(BatchRuleTest, TheModelWithTheEarliestDeadlineGoesFirstAndBatchesDontMix) {
  const int a = rule.AddModel({.max_batch = 4});
  const int b = rule.AddModel({.max_batch = 4});
  rule.Push(a, 1, t0 + 50 * ms);
  rule.Push(b, 2, t0 + 20 * ms);
  rule.Push(a, 3, t0 + 30 * ms);
  auto decision = rule.Next(t0);
  EXPECT_EQ(decision.model, b);
  EXPECT_THAT(decision.batch, ElementsAre(2));
  decision = rule.Next(t0);
  EXPECT_EQ(decision.model, a);
  EXPECT_THAT(decision.batch, ElementsAre(3, 1));
}

TEST_F(BatchRuleTest, ADeadHeadOfOneModelDoesNotHoldUpAnother) {
  const int a = rule.AddModel({.max_batch = 4});
  const int b = rule.AddModel({.max_batch = 4});
  rule.Push(a, 1, t0 + 10 * ms);
  rule.Push(b, 2, t0 + 90 * ms);
  const auto decision = rule.Next(t0 + 20 * ms);
  EXPECT_EQ(decision.model, b);
  EXPECT_THAT(decision.batch, ElementsAre(2));
  EXPECT_THAT(Dropped(decision, DropReason::kExpired), ElementsAre(1));
}

TEST_F(BatchRuleTest, AModelUnderABurstDoesNotStarveAnother) {
  const int burst = rule.AddModel({.max_batch = 1});
  const int calm = rule.AddModel({.max_batch = 1});
  rule.Push(calm, 1000, t0 + 100 * ms);
  int turns = 0;
  for (absl::Time now = t0;; now += 10 * ms, ++turns) {  // always another one, due in 100 ms
    rule.Push(burst, turns, now + 100 * ms);
    if (rule.Next(now).model == calm) break;
  }
  EXPECT_LE(turns, 1);  // its deadline was the earliest, but for the tie at the start
}

}  // namespace
}  // namespace patchserve
