#include "server/scheduling/model_queue.h"

#include <gmock/gmock.h>

#include <numeric>

#include "tests/scheduling/virtual_device.h"

namespace patchserve {
namespace {

const std::vector<int> kGpu = {1, 2, 4, 8, 16, 32, 64, 128};
const std::vector<int> kCpu = {1, 2, 3, 4, 5, 6, 7, 8};

int Chosen(ModelQueue& queue, int runners = 1) {
  queue.ChooseBatch(runners, t0);
  return queue.batch;
}

// A queue to which a request comes every `gap` that has `budget`.
ModelQueue With(CostModel cost, absl::Duration gap, absl::Duration budget) {
  ModelQueue queue{.max_queued = 100, .cost = std::move(cost)};
  for (int i = 64; i > 0; --i) queue.arrivals.Add(t0 - i * gap, budget);
  return queue;
}

TEST(ModelQueueTest, WhereTimeIsInProportionImagesRunOneByOne) {
  ModelQueue queue{.cost = Known(kCpu, Linear(10 * ms))};
  EXPECT_EQ(Chosen(queue), 1);
}

TEST(ModelQueueTest, WhereABatchTakesNoLongerItIsAsLargeAsItMayBe) {
  ModelQueue queue{.cost = Known(kGpu, Flat(10 * ms))};
  EXPECT_EQ(Chosen(queue), 128);
}

TEST(ModelQueueTest, ALargerBatchMustSaveAPercentAnImage) {
  // From 32 on another image costs as much as its share.
  ModelQueue queue{.cost = Known(kGpu, [](int bucket) { return std::max(bucket, 32) * ms; })};
  EXPECT_EQ(Chosen(queue), 32);
}

TEST(ModelQueueTest, ShortBudgetsKeepBatchesShort) {
  // One at a time can wait for a batch of 16: 26 ms, and another 26 at most until it starts.
  ModelQueue queue = With(Known(kGpu, Fixed(10 * ms, ms)), ms, 52 * ms);
  EXPECT_EQ(Chosen(queue), 16);
}

TEST(ModelQueueTest, MoreRunnersComeFreeMoreOftenSoBatchesMayBeLarger) {
  ModelQueue queue = With(Known(kGpu, Fixed(10 * ms, ms)), ms / 1.5, 33 * ms);
  const int one = Chosen(queue, 1);
  EXPECT_GT(Chosen(queue, 4), one);
}

TEST(ModelQueueTest, ABucketThatNobodyCanWaitForIsNotChosen) {
  ModelQueue queue = With(Known(kGpu, Linear(10 * ms)), ms, 5 * ms);
  EXPECT_EQ(Chosen(queue), 1);
}

TEST(ModelQueueTest, OfManySizesTheOneThatIsChosenIsWithinTwoPercentOfTheBest) {
  std::vector<int> sizes(1024);
  std::iota(sizes.begin(), sizes.end(), 1);
  // From 1,000 on another image costs as much as its share.
  ModelQueue queue{.cost = Known(sizes, [](int size) { return std::max(size, 1000) * ms; })};
  EXPECT_NEAR(Chosen(queue), 1000, 20);
}

TEST(ModelQueueTest, FullBatchesAndARestTakeTheirSum) {
  ModelQueue queue{.cost = Known({1, 2, 4}, Fixed(10 * ms, ms)), .batch = 4};
  EXPECT_EQ(queue.TimeOf(0), absl::ZeroDuration());
  EXPECT_EQ(queue.TimeOf(4), 14 * ms);
  EXPECT_EQ(queue.TimeOf(9), 2 * 14 * ms + 11 * ms);
}

TEST(ModelQueueTest, RequestsOfTheSameDeadlineAreDueByIt) {
  ModelQueue queue{.cost = Known({1}, Flat(ms))};
  for (int i = 0; i < 6; ++i) queue.admitted.insert({t0 + i / 2 * ms, i});
  EXPECT_EQ(queue.DueBy(t0 - ms), 0);
  EXPECT_EQ(queue.DueBy(t0 + ms), 4);
  EXPECT_EQ(queue.DeadlineOf(3), t0 + ms);
}

TEST(ModelQueueTest, UtilisationIsHowManyRunnersArrivalsKeepBusy) {
  ModelQueue queue = With(Known({1, 4}, Flat(10 * ms)), ms, absl::Seconds(1));
  queue.batch = 4;
  EXPECT_NEAR(queue.Utilisation(t0), 2.5, 0.01);
}

}  // namespace
}  // namespace patchserve
