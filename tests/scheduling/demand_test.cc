#include "server/scheduling/demand.h"

#include "tests/scheduling/batch_rule_fixture.h"

namespace patchserve {
namespace {

using Queue = ModelQueue<int>;

// A batch takes 8 ms and 2 ms an image.
CostModel FixedCost() { return CostModel({{1, 10 * ms}, {32, 72 * ms}}, 32); }

// A model that somebody asked for every `gap` until t0, with so much time.
Queue Asked(absl::Duration gap, absl::Duration budget, CostModel cost = FixedCost()) {
  Queue queue{256, std::move(cost)};
  for (int i = 500; i >= 0; --i) queue.arrivals.Add(t0 - i * gap, budget);
  return queue;
}

int Target(const std::vector<Queue>& queues) {
  return Demand<int>(queues, /*runners=*/1, t0).Target(queues.front());
}

TEST(DemandTest, WhereBatchesOfOneKeepUpNothingIsLeftBehind) {
  EXPECT_EQ(Target({Asked(11 * ms, 100 * ms)}), 1);
}

TEST(DemandTest, TheTargetIsTheSmallestSizeThatKeepsUp) {
  EXPECT_EQ(Target({Asked(5.9 * ms, 100 * ms)}), 3);  // two take 12 ms, three 14
  EXPECT_EQ(Target({Asked(3.9 * ms, 100 * ms)}), 5);  // four take 16 ms, five 18
}

TEST(DemandTest, TheOthersPartOfTheDeviceIsNotThere) {
  EXPECT_EQ(Target({Asked(11 * ms, 100 * ms), Asked(20 * ms, 100 * ms)}), 2);
}

TEST(DemandTest, WhereNothingKeepsUpTheTargetIsWhatFitsIntoTheUsualBudget) {
  const std::vector<Queue> queues = {Asked(1 * ms, 19 * ms)};
  EXPECT_TRUE(Demand<int>(queues, 1, t0).scarce());
  EXPECT_EQ(Target(queues), 5);
}

TEST(DemandTest, ThePatientAreNoReasonToLeaveAnybodyBehind) {
  const std::vector<Queue> queues = {Asked(1 * ms, absl::Hours(1))};
  EXPECT_FALSE(Demand<int>(queues, 1, t0).scarce());
  EXPECT_EQ(Target(queues), 1);
}

TEST(DemandTest, ALargerBatchForNothingIsAlwaysTheTarget) {
  EXPECT_EQ(Target({Asked(50 * ms, 100 * ms, Flat(8))}), 8);
}

}  // namespace
}  // namespace patchserve
