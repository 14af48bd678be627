#include "server/base/thread_pool.h"

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <latch>
#include <memory>
#include <mutex>
#include <vector>

#include "absl/time/clock.h"

namespace patchserve {
namespace {

using ::testing::ElementsAre;

TEST(ThreadPoolTest, TasksOfOneThreadRunInTheOrderOfArrival) {
  std::vector<int> ran;
  ThreadPool pool("test", 1, 10);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(pool.TryRun([&ran, i] { ran.push_back(i); }));
  pool.Stop();
  EXPECT_THAT(ran, ElementsAre(0, 1, 2));
}

TEST(ThreadPoolTest, TheEarliestDeadlineRunsFirst) {
  std::vector<int> ran;
  std::latch go_on(1);
  ThreadPool pool("test", 1, 10);
  const absl::Time now = absl::Now();
  ASSERT_TRUE(pool.TryRun([&] { go_on.wait(); }, absl::InfinitePast()));
  for (int i : {3, 1, 2}) {
    ASSERT_TRUE(pool.TryRun([&ran, i] { ran.push_back(i); }, now + absl::Seconds(i)));
  }
  go_on.count_down();
  pool.Stop();
  EXPECT_THAT(ran, ElementsAre(1, 2, 3));
}

TEST(ThreadPoolTest, TwoThreadsRunTwoTasksAtOnce) {
  ThreadPool pool("test", 2, 10);
  std::latch both(2);  // passed only if both tasks are inside at the same time
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(pool.TryRun([&both] { both.arrive_and_wait(); }));
  pool.Stop();
}

TEST(ThreadPoolTest, OnlyItsOwnThreadsAreNice) {
  const auto niceness = [] { return getpriority(PRIO_PROCESS, gettid()); };
  const int before = niceness();
  int of_task = -1;
  ThreadPool pool("test", 1, 1, 19);
  ASSERT_TRUE(pool.TryRun([&] { of_task = niceness(); }));
  pool.Stop();
  EXPECT_EQ(of_task, 19);
  EXPECT_EQ(niceness(), before);
}

TEST(ThreadPoolTest, ATaskTooManyIsRefusedAndLeftAsItIs) {
  ThreadPool pool("test", 1, 1);
  std::latch started(1), go_on(1);
  ASSERT_TRUE(pool.TryRun([&] {
    started.count_down();
    go_on.wait();
  }));
  started.wait();
  ASSERT_TRUE(pool.TryRun([] {}));  // waits: the queue is full now

  bool ran = false;
  ThreadPool::Task refused = [&ran, owned = std::make_unique<int>(1)] { ran = *owned == 1; };
  EXPECT_FALSE(pool.TryRun(std::move(refused)));
  std::move(refused)();  // NOLINT(bugprone-use-after-move): it is as it was
  EXPECT_TRUE(ran);
  go_on.count_down();
}

TEST(ThreadPoolTest, StopFinishesWhatIsQueued) {
  std::atomic<int> ran = 0;
  std::latch go_on(1);
  ThreadPool pool("test", 1, 10);
  ASSERT_TRUE(pool.TryRun([&] { go_on.wait(); }));
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(pool.TryRun([&] { ++ran; }));
  go_on.count_down();
  pool.Stop();
  EXPECT_EQ(ran, 5);
}

TEST(ThreadPoolTest, AStoppedPoolRefuses) {
  ThreadPool pool("test", 1, 10);
  pool.Stop();
  EXPECT_FALSE(pool.TryRun([] {}));
}

}  // namespace
}  // namespace patchserve
