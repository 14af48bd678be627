#include "client/in_order.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <latch>
#include <thread>
#include <utility>
#include <vector>

namespace patchserve {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Done = absl::AnyInvocable<void(int) &&>;

TEST(InOrderTest, ResultsThatAreThereAtOnceAreTakenInOrder) {
  std::vector<int> taken;
  RunInOrder<int>(
      3, 2, [](size_t i, Done done) { std::move(done)(10 * i); },
      [&](size_t, int result) { return taken.push_back(result), true; });
  EXPECT_THAT(taken, ElementsAre(0, 10, 20));
}

TEST(InOrderTest, ASlowFirstCallHoldsBackTheResultsBehindIt) {
  std::latch others_are_done(2);
  std::vector<std::jthread> threads;
  std::vector<size_t> taken;
  RunInOrder<int>(
      3, 3,
      [&](size_t i, Done done) {
        threads.emplace_back([&others_are_done, i, done = std::move(done)]() mutable {
          i == 0 ? others_are_done.wait() : others_are_done.count_down();
          std::move(done)(0);
        });
      },
      [&](size_t i, int) { return taken.push_back(i), true; });
  EXPECT_THAT(taken, ElementsAre(0, 1, 2));
}

TEST(InOrderTest, AResultIsTakenBeforeLaterCallsAreOver) {
  std::latch first_is_taken(1);
  std::jthread second;
  std::vector<size_t> taken;
  RunInOrder<int>(
      2, 2,
      [&](size_t i, Done done) {
        if (i == 0) return std::move(done)(0);
        second = std::jthread([&first_is_taken, done = std::move(done)]() mutable {
          first_is_taken.wait();
          std::move(done)(0);
        });
      },
      [&](size_t i, int) {
        if (i == 0) first_is_taken.count_down();
        return taken.push_back(i), true;
      });
  EXPECT_THAT(taken, ElementsAre(0, 1));
}

TEST(InOrderTest, NoMoreCallsThanAllowedAreUnderWay) {
  std::vector<Done> under_way;
  size_t most = 0;
  const auto finish_when_full = [&](size_t i, Done done) {
    under_way.push_back(std::move(done));
    most = std::max(most, under_way.size());
    if (under_way.size() < 3 && i < 8) return;
    for (Done& ended : std::exchange(under_way, {})) std::move(ended)(0);
  };
  RunInOrder<int>(9, 3, finish_when_full, [](size_t, int) { return true; });
  EXPECT_EQ(most, 3);
}

TEST(InOrderTest, NothingIsStartedWhileAWindowOfResultsWaitsForASlowCall) {
  constexpr size_t kWindow = 8;  // 4 * concurrency
  std::latch window_is_full(1);
  std::jthread slow;
  size_t started = 0;
  size_t started_before_first_was_taken = 0;
  RunInOrder<int>(
      100, 2,
      [&](size_t i, Done done) {
        if (++started == kWindow) window_is_full.count_down();
        if (i > 0) return std::move(done)(0);
        slow = std::jthread([&window_is_full, done = std::move(done)]() mutable {
          window_is_full.wait();
          std::move(done)(0);
        });
      },
      [&](size_t i, int) {
        if (i == 0) started_before_first_was_taken = started;
        return true;
      });
  EXPECT_EQ(started_before_first_was_taken, kWindow);
  EXPECT_EQ(started, 100);
}

TEST(InOrderTest, NothingIsStartedOrTakenAfterTakeSaidStop) {
  std::vector<size_t> taken;
  RunInOrder<int>(
      100, 2, [](size_t, Done done) { std::move(done)(0); },
      [&](size_t i, int) { return taken.push_back(i), i < 2; });
  EXPECT_THAT(taken, ElementsAre(0, 1, 2));
}

TEST(InOrderTest, NoCallsAreNoResults) {
  std::vector<size_t> taken;
  RunInOrder<int>(
      0, 2, [](size_t, Done done) { std::move(done)(0); },
      [&](size_t i, int) { return taken.push_back(i), true; });
  EXPECT_THAT(taken, IsEmpty());
}

}  // namespace
}  // namespace patchserve
