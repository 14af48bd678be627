#include "server/scheduling/executor.h"

#include <gmock/gmock.h>

#include <atomic>
#include <latch>
#include <mutex>
#include <vector>

namespace patchserve {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

const absl::Time kLater = absl::InfiniteFuture();

// Every batch takes a microsecond, so the largest one pays most.
CostModel Flat(int max_batch = 32) {
  return CostModel({{1, absl::Microseconds(1)}, {max_batch, absl::Microseconds(1)}}, max_batch);
}

// What ran and what was dropped, by any thread.
struct Record {
  std::mutex mutex;
  std::vector<std::vector<int>> batches;
  std::vector<int> dropped;

  void Ran(std::vector<int> batch) {
    std::lock_guard lock(mutex);
    batches.push_back(std::move(batch));
  }
  void Dropped(int item) {
    std::lock_guard lock(mutex);
    dropped.push_back(item);
  }
};

TEST(ExecutorTest, ALoneItemRuns) {
  Record record;
  Executor<int> executor({.drop = [](int, DropReason) {}});
  const int model = executor.AddModel({}, Flat(), [&](std::vector<int> b) { record.Ran(b); });
  ASSERT_EQ(executor.Push(model, 1, kLater), std::nullopt);
  executor.Stop();
  EXPECT_THAT(record.batches, ElementsAre(ElementsAre(1)));
}

TEST(ExecutorTest, ItemsThatComeWhileTheRunnerIsBusyRunTogether) {
  Record record;
  std::latch busy(1), go_on(1);
  Executor<int> executor({.drop = [](int, DropReason) {}});
  const int model = executor.AddModel({}, Flat(8), [&](std::vector<int> b) {
    record.Ran(b);
    if (b.front() == 0) {
      busy.count_down();
      go_on.wait();
    }
  });
  ASSERT_FALSE(executor.Push(model, 0, kLater));
  busy.wait();
  for (int item : {1, 2, 3}) ASSERT_FALSE(executor.Push(model, item, kLater));
  go_on.count_down();
  executor.Stop();
  EXPECT_THAT(record.batches, ElementsAre(ElementsAre(0), ElementsAre(1, 2, 3)));
}

TEST(ExecutorTest, TwoRunnersRunTwoBatchesAtOnce) {
  std::latch both(2);
  Executor<int> executor({.rule = {.runners = 2}, .drop = [](int, DropReason) {}});
  const int model =
      executor.AddModel({}, Flat(1), [&](std::vector<int>) { both.arrive_and_wait(); });
  for (int item : {1, 2}) ASSERT_FALSE(executor.Push(model, item, kLater));
  executor.Stop();
}

TEST(ExecutorTest, EachRunnerIsPreparedInItsOwnThread) {
  std::latch prepared(2);
  Executor<int> executor(
      {.rule = {.runners = 2}, .prepare_runner = [&] { prepared.count_down(); }});
  prepared.wait();
}

TEST(ExecutorTest, DeadItemsAreDroppedWithTheirReasonAndDoNotRun) {
  Record record;
  std::atomic<int> cancelled = 0;
  std::latch all(2);
  Executor<int> executor({.rule = {.cancelled = [&](const int& item) { return item == 2; }},
                          .now = [] { return absl::UnixEpoch(); },
                          .drop =
                              [&](int item, DropReason reason) {
                                if (reason == DropReason::kCancelled) cancelled = item;
                                record.Dropped(item);
                                all.count_down();
                              }});
  const int model = executor.AddModel({}, Flat(), [&](std::vector<int> b) { record.Ran(b); });
  ASSERT_FALSE(executor.Push(model, 1, absl::UnixEpoch()));
  ASSERT_FALSE(executor.Push(model, 2, kLater));
  all.wait();
  EXPECT_EQ(cancelled, 2);
  EXPECT_THAT(record.dropped, UnorderedElementsAre(1, 2));
  EXPECT_TRUE(record.batches.empty());
}

TEST(ExecutorTest, StopRunsWhatIsQueuedAndRefusesWhatComesLater) {
  Record record;
  std::latch busy(1), go_on(1);
  Executor<int> executor({.drop = [](int, DropReason) {}});
  const int model = executor.AddModel({}, Flat(1), [&](std::vector<int> b) {
    record.Ran(b);
    if (b.front() == 0) {
      busy.count_down();
      go_on.wait();
    }
  });
  for (int item : {0, 1, 2}) ASSERT_FALSE(executor.Push(model, item, kLater));
  busy.wait();
  std::thread stop([&] { executor.Stop(); });
  go_on.count_down();
  stop.join();
  EXPECT_EQ(record.batches.size(), 3);
  EXPECT_EQ(executor.Push(model, 4, kLater), 4);
}

TEST(ExecutorTest, ManyThreadsPushAndEveryItemComesOutOnce) {
  constexpr int kThreads = 4, kItems = 2000;
  std::vector<std::atomic<int>> seen(kThreads * kItems);
  Executor<int> executor(
      {.rule = {.cancelled = [](const int& item) { return item % 7 == 0; }, .runners = 3},
       .drop = [&](int item, DropReason) { ++seen[item]; }});
  auto run = [&](std::vector<int> batch) {
    for (int item : batch) ++seen[item];
  };
  const int models[] = {executor.AddModel({.max_queued = 100}, Flat(8), run),
                        executor.AddModel({.max_queued = 100}, Flat(3), run)};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < kItems; ++i) {
        const int item = thread * kItems + i;
        if (executor.Push(models[item % 2], item, kLater)) ++seen[item];  // refused: ours again
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  executor.Stop();
  for (const auto& count : seen) ASSERT_EQ(count, 1);
}

TEST(ExecutorTest, AModelMayGoWithItsLastBatch) {
  Executor<int> executor({.drop = [](int, DropReason) {}});
  std::atomic<int> number = -1;
  number = executor.AddModel({}, Flat(), [&](std::vector<int>) {
    executor.RemoveModel(number);
    executor.AddModel({}, CostModel({{1, absl::Hours(1)}}, 1), [](std::vector<int>) {});
  });
  ASSERT_FALSE(executor.Push(number, 1, kLater));
  executor.Stop();
  EXPECT_EQ(executor.ExpectedRun(number), absl::Hours(1));  // it learned nothing of the other's
}

TEST(ExecutorTest, WorkBetweenBatchesRunsOnAnIdleRunner) {
  Executor<int> executor({.drop = [](int, DropReason) {}});
  bool ran = false;
  EXPECT_TRUE(executor.RunBetween([&] { ran = true; }, {}, absl::InfiniteDuration()));
  EXPECT_TRUE(ran);
}

// A runner that is held with item 0, while items 1 and 2 wait.
class BusyRunnerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    model = executor.AddModel({}, Flat(1), [this](std::vector<int> batch) {
      order.push_back(batch.front());
      if (batch.front() != 0) return;
      busy.count_down();
      go_on.wait();
    });
    for (int item : {0, 1, 2}) ASSERT_FALSE(executor.Push(model, item, kLater));
    busy.wait();
  }

  // Asks for work between batches, then lets the runner go on; returns what it did.
  std::vector<int> OrderWithWork(absl::Duration patience) {
    std::thread asking([&] { executor.RunBetween([&] { order.push_back(99); }, {}, patience); });
    while (!executor.HasWorkBetween()) std::this_thread::yield();
    go_on.count_down();
    asking.join();
    executor.Stop();
    return order;
  }

  std::vector<int> order;
  std::latch busy{1}, go_on{1};
  Executor<int> executor{{.drop = [](int, DropReason) {}}};
  int model = -1;
};

TEST_F(BusyRunnerTest, ItemsThatWaitGoBeforeWorkBetweenBatches) {
  EXPECT_THAT(OrderWithWork(absl::InfiniteDuration()), ElementsAre(0, 1, 2, 99));
}

TEST_F(BusyRunnerTest, WorkWhosePatienceIsOverGoesBeforeItems) {
  EXPECT_THAT(OrderWithWork(-absl::Seconds(1)), ElementsAre(0, 99, 1, 2));
}

TEST_F(BusyRunnerTest, StopGivesUpWorkThatHasNotStarted) {
  std::thread asking(
      [&] { EXPECT_FALSE(executor.RunBetween([] { FAIL(); }, {}, absl::InfiniteDuration())); });
  while (!executor.HasWorkBetween()) std::this_thread::yield();
  std::thread stop([&] { executor.Stop(); });
  asking.join();
  go_on.count_down();
  stop.join();
}

TEST(ExecutorTest, NoWorkIsDoneAfterStop) {
  Executor<int> executor({.drop = [](int, DropReason) {}});
  executor.Stop();
  EXPECT_FALSE(executor.RunBetween([] { FAIL(); }, {}, absl::InfiniteDuration()));
}

}  // namespace
}  // namespace patchserve
