#include "server/scheduling/executor.h"

#include <gmock/gmock.h>

#include <atomic>
#include <latch>
#include <mutex>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/scheduling/virtual_device.h"

namespace patchserve {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

using Answer = Admission::Answer;

// Every batch takes a microsecond, so the largest one pays most.
CostModel Quick(const std::vector<int>& buckets) {
  return Known(buckets, Flat(absl::Microseconds(1)));
}

// Counted down when an executor next looks at its clock on this thread.
thread_local std::latch* looks = nullptr;

// An executor whose clock stands still, with what ran and what was dropped.
class ExecutorTest : public ::testing::Test {
 protected:
  using Items = std::vector<int>;
  using Done = Executor<int>::DeviceDone;
  using Answered = Executor<int>::Answered;

  void Start(int runners = 1, bool shared_device = false) {
    executor.emplace(
        Executor<int>::Options{.scheduler = {.runners = runners, .shared_device = shared_device},
                               .now =
                                   [this] {
                                     if (looks != nullptr)
                                       std::exchange(looks, nullptr)->count_down();
                                     return t0 + absl::Nanoseconds(elapsed.load());
                                   },
                               .drop =
                                   [this](int item, DropReason reason) {
                                     std::lock_guard lock(mutex);
                                     dropped.push_back({item, reason});
                                     dropped_by = std::this_thread::get_id();
                                     one_dropped.count_down();
                                   }});
  }
  // A model that calls `run` for each batch.
  int Add(
      CostModel cost, std::function<void(const Items&)> run = [](const Items&) {}) {
    return executor->AddModel(
        10'000, std::move(cost),
        [this, run](Items items, int bucket, const Done& done, Answered answered) {
          {
            std::lock_guard lock(mutex);
            batches.push_back(items);
            buckets.push_back(bucket);
          }
          run(items);
          done(true);
          answered(0);
        });
  }
  // A model whose batch that begins with item 0 waits inside until Release.
  int AddThatHolds(CostModel cost) {
    return Add(std::move(cost), [this](const Items& items) {
      if (items.front() != 0) return;
      busy.count_down();
      go_on.wait();
    });
  }
  void Release() { go_on.count_down(); }

  // Asks for work between batches on a thread of its own, and returns when it waits: the executor
  // looks at its clock under its lock, which it keeps until then.
  std::thread Ask(std::function<void()> work, absl::Duration patience, bool done) {
    std::latch asked(1);
    std::thread thread([this, work, patience, done, &asked] {
      looks = &asked;
      EXPECT_EQ(executor->RunBetween(0, work, {}, patience), done);
    });
    asked.wait();
    return thread;
  }

  int64_t Admit(int model, absl::Time deadline = t0 + absl::Hours(1)) {
    const Admission admission = executor->Admit({.model = model, .deadline = deadline});
    EXPECT_EQ(admission.answer, Answer::kAdmitted);
    return admission.ticket;
  }
  int64_t AdmitAndPush(int model, int item) {
    const int64_t ticket = Admit(model);
    EXPECT_EQ(executor->Push(ticket, item), std::nullopt);
    return ticket;
  }

  std::latch busy{1}, go_on{1}, one_dropped{1};
  std::atomic<int64_t> elapsed = 0;  // nanoseconds since t0
  std::mutex mutex;
  std::vector<Items> batches;  // guarded by mutex, as what follows
  std::vector<int> buckets;
  std::vector<std::pair<int, DropReason>> dropped;
  std::thread::id dropped_by;
  std::optional<Executor<int>> executor;
};

TEST_F(ExecutorTest, ALoneItemRuns) {
  Start();
  AdmitAndPush(Add(Quick({1, 2})), 7);
  executor->Stop();
  EXPECT_THAT(batches, ElementsAre(ElementsAre(7)));
}

TEST_F(ExecutorTest, ItemsThatComeWhileTheRunnerIsBusyRunTogetherInABucketThatHoldsThem) {
  Start();
  const int model = AddThatHolds(Quick({1, 2, 4, 8}));
  AdmitAndPush(model, 0);
  busy.wait();
  for (int item : {1, 2, 3}) AdmitAndPush(model, item);
  Release();
  executor->Stop();
  EXPECT_THAT(batches, ElementsAre(ElementsAre(0), ElementsAre(1, 2, 3)));
  EXPECT_THAT(buckets, ElementsAre(1, 4));
}

TEST_F(ExecutorTest, TwoRunnersRunTwoBatchesAtOnce) {
  Start(/*runners=*/2);
  std::latch both(2);
  const int model = Add(Quick({1}), [&](const Items&) { both.arrive_and_wait(); });
  for (int item : {1, 2}) AdmitAndPush(model, item);
  executor->Stop();
  EXPECT_EQ(batches.size(), 2);
}

TEST_F(ExecutorTest, EachRunnerIsPreparedInItsOwnThread) {
  std::latch prepared(2);
  std::mutex guard;
  std::vector<std::pair<int, std::thread::id>> runners;
  Executor<int> two({.scheduler = {.runners = 2}, .prepare_runner = [&](int runner) {
                       std::lock_guard lock(guard);
                       runners.push_back({runner, std::this_thread::get_id()});
                       prepared.count_down();
                     }});
  prepared.wait();
  std::lock_guard lock(guard);
  EXPECT_NE(runners[0].first, runners[1].first);
  EXPECT_NE(runners[0].second, runners[1].second);
}

TEST_F(ExecutorTest, RunAloneRunsABatchThatIsAloneOnSeveralCoresAndItsLatenessTeachesNothing) {
  std::vector<std::string> steps;
  Executor<int> two({.scheduler = {.runners = 2}, .run_alone = [&](int cores, auto& batch) {
                       steps.push_back(absl::StrCat("on ", cores));
                       batch();
                     }});
  std::binary_semaphore ran(0);
  const auto run = [&](Items items, int, const Done& done, Answered answered) {
    steps.push_back(absl::StrCat(items[0]));
    done(true);
    answered(/*late=*/1);
    ran.release();
  };
  const int model = two.AddModel(1, Known({1}, Flat(10 * ms), SteadyNow()), run, 2);
  std::vector<absl::Duration> margins;
  for (int item : {1, 2}) {
    const Admission admission = two.Admit({.model = model, .deadline = absl::InfiniteFuture()});
    EXPECT_EQ(two.Push(admission.ticket, item), std::nullopt);
    margins.push_back(admission.margin);
    ran.acquire();
  }
  two.Stop();
  EXPECT_THAT(steps, ElementsAre("on 2", "1", "on 2", "2"));
  EXPECT_EQ(margins[1], margins[0]);
}

TEST_F(ExecutorTest, CancelDropsAWaitingItemAtOnceOnTheThreadThatCalls) {
  Start();
  const int model = AddThatHolds(Quick({1}));
  AdmitAndPush(model, 0);
  busy.wait();
  const int64_t ticket = AdmitAndPush(model, 1);
  executor->Cancel(ticket);
  {
    std::lock_guard lock(mutex);
    EXPECT_THAT(dropped, ElementsAre(Pair(1, DropReason::kCancelled)));
    EXPECT_EQ(dropped_by, std::this_thread::get_id());
  }
  executor->Cancel(ticket);  // a second time does nothing
  Release();
  executor->Stop();
  EXPECT_THAT(batches, ElementsAre(ElementsAre(0)));
  EXPECT_EQ(dropped.size(), 1);
}

TEST_F(ExecutorTest, CancelOfAnItemThatRunsDoesNothing) {
  Start();
  const int64_t ticket = AdmitAndPush(AddThatHolds(Quick({1})), 0);
  busy.wait();
  executor->Cancel(ticket);
  Release();
  executor->Stop();
  EXPECT_TRUE(dropped.empty());
}

TEST_F(ExecutorTest, CancelWhileAnItemIsDecodedFreesItsPlaceAndPushGivesItBack) {
  Start();
  const int model =
      executor->AddModel(1, Quick({1}), [](Items, int, const Done& done, Answered answered) {
        done(true);
        answered(0);
      });
  const int64_t ticket = Admit(model);
  EXPECT_EQ(executor->Admit({.model = model, .deadline = t0 + absl::Hours(1)}).answer,
            Answer::kNoPlace);
  executor->Cancel(ticket);
  EXPECT_EQ(executor->Push(ticket, 5), 5);
  executor->Cancel(Admit(model));
  executor->Stop();
  EXPECT_TRUE(dropped.empty());
}

TEST_F(ExecutorTest, WhatIsCancelledAfterItsDeadlineHasExpired) {
  Start();
  const int model = AddThatHolds(Quick({1}));
  AdmitAndPush(model, 0);
  busy.wait();
  const int64_t ticket = AdmitAndPush(model, 1);
  elapsed = absl::ToInt64Nanoseconds(absl::Hours(2));
  executor->Cancel(ticket);
  Release();
  executor->Stop();
  EXPECT_THAT(dropped, ElementsAre(Pair(1, DropReason::kExpired)));
}

TEST_F(ExecutorTest, WhatCanNotBeInTimeAnyMoreIsDroppedAndDoesNotRun) {
  Start();
  const int model = AddThatHolds(Quick({1}));
  AdmitAndPush(model, 0);
  busy.wait();
  AdmitAndPush(model, 1);
  elapsed = absl::ToInt64Nanoseconds(absl::Hours(2));
  Release();
  one_dropped.wait();
  executor->Stop();
  EXPECT_THAT(dropped, ElementsAre(Pair(1, DropReason::kExpired)));
  EXPECT_THAT(batches, ElementsAre(ElementsAre(0)));
}

TEST_F(ExecutorTest, ABatchStartsWhileTheAnswersOfTheOneBeforeAreMade) {
  std::latch second(1);
  Start(2, /*shared_device=*/true);
  const int model = executor->AddModel(10, Quick({1}),
                                       [&](Items items, int, const Done& done, Answered answered) {
                                         done(true);
                                         items.front() == 0 ? second.wait() : second.count_down();
                                         std::lock_guard lock(mutex);
                                         batches.push_back(items);
                                         answered(0);
                                       });
  AdmitAndPush(model, 0);
  AdmitAndPush(model, 1);
  second.wait();
  executor->Stop();
  EXPECT_THAT(batches, UnorderedElementsAre(ElementsAre(0), ElementsAre(1)));
}

TEST_F(ExecutorTest, APlaceThatIsGivenBackIsFree) {
  Start();
  const int model =
      executor->AddModel(1, Quick({1}), [](Items, int, const Done& done, Answered answered) {
        done(true);
        answered(0);
      });
  for (int i = 0; i < 3; ++i) executor->Cancel(Admit(model));
}

TEST_F(ExecutorTest, StopRunsWhatIsQueuedAndRefusesWhatComesLater) {
  Start();
  const int model = AddThatHolds(Quick({1}));
  AdmitAndPush(model, 0);
  busy.wait();
  for (int item : {1, 2}) AdmitAndPush(model, item);
  const int64_t later = Admit(model);
  std::thread stop([&] { executor->Stop(); });
  Release();
  stop.join();
  EXPECT_THAT(batches, ElementsAre(ElementsAre(0), ElementsAre(1), ElementsAre(2)));
  EXPECT_EQ(executor->Push(later, 4), 4);
}

TEST_F(ExecutorTest, ABatchThatFailedTeachesNothingOfItsTime) {
  Start();
  const int model = executor->AddModel(10, Known({1}, Flat(ms)),
                                       [this](Items, int, const Done& done, Answered answered) {
                                         elapsed += absl::ToInt64Nanoseconds(absl::Seconds(5));
                                         done(false);
                                         answered(0);
                                       });
  for (int i = 0; i < 2; ++i) {
    AdmitAndPush(model, i);
    executor->RunBetween(
        0, [] {}, {}, absl::InfiniteDuration());  // until the runner is free
  }
  const Admission next = executor->Admit({.model = model, .deadline = absl::InfiniteFuture()});
  EXPECT_EQ(next.run, ms);
  executor->Cancel(next.ticket);
}

TEST_F(ExecutorTest, ManyThreadsPushAndCancelAndEveryItemComesOutOnce) {
  constexpr int kThreads = 4, kItems = 2000;
  std::vector<std::atomic<int>> seen(kThreads * kItems);
  Executor<int> many(
      {.scheduler = {.runners = 3}, .drop = [&](int item, DropReason) { ++seen[item]; }});
  const auto run = [&](const Items& batch, int, const Done& done, Answered answered) {
    for (int item : batch) ++seen[item];
    done(true);
    answered(0);
  };
  const int models[] = {many.AddModel(100, Quick({1, 2, 4, 8}), run),
                        many.AddModel(100, Quick({1, 2, 3}), run)};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int item = thread * kItems; item < (thread + 1) * kItems; ++item) {
        const Admission admission = many.Admit({.model = models[item % 2],
                                                .deadline = SteadyNow() + absl::Seconds(100),
                                                .decode = absl::Microseconds(5)});
        if (admission.answer != Answer::kAdmitted) {
          ++seen[item];  // refused: ours still
        } else if (item % 11 == 0) {
          many.Cancel(admission.ticket);
          ++seen[item];
        } else {
          if (item % 13 == 0) many.Cancel(admission.ticket);  // before it is decoded
          if (many.Push(admission.ticket, item)) ++seen[item];
          if (item % 7 == 0) many.Cancel(admission.ticket);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  many.Stop();
  for (const auto& count : seen) ASSERT_EQ(count, 1);
}

TEST_F(ExecutorTest, AModelMayGoWithItsLastBatch) {
  Start();
  int next = -1;
  std::atomic<int> number = -1;
  std::latch added(1);
  number = executor->AddModel(10, Quick({1}), [&](Items, int, const Done& done, Answered answered) {
    added.wait();
    executor->RemoveModel(number);
    next = executor->AddModel(10, Known({1}, Flat(absl::Minutes(1))),
                              [](Items, int, const Done& done, Answered answered) {
                                done(true);
                                answered(0);
                              });
    elapsed += absl::ToInt64Nanoseconds(absl::Seconds(1));
    done(true);
    answered(0);
  });
  added.count_down();
  AdmitAndPush(number, 1);
  executor->RunBetween(
      0, [] {}, {}, absl::InfiniteDuration());  // until the runner is free
  EXPECT_EQ(next, number);
  const Admission admission = executor->Admit({.model = next, .deadline = t0 + absl::Hours(1)});
  EXPECT_EQ(admission.run, absl::Minutes(1));  // it learned nothing of the other's
  executor->Cancel(admission.ticket);
}

TEST_F(ExecutorTest, WorkBetweenBatchesRunsOnTheRunnerThatIsNamed) {
  std::mutex guard;
  std::vector<std::thread::id> ids(3);
  Executor<int> three({.scheduler = {.runners = 3}, .prepare_runner = [&](int runner) {
                         std::lock_guard lock(guard);
                         ids[runner] = std::this_thread::get_id();
                       }});
  for (int runner : {2, 0, 1}) {
    std::thread::id ran;
    EXPECT_TRUE(three.RunBetween(
        runner, [&] { ran = std::this_thread::get_id(); }, {}, absl::InfiniteDuration()));
    std::lock_guard lock(guard);
    EXPECT_EQ(ran, ids[runner]);
  }
}

// A runner that is held with item 0, while items 1 and 2 wait.
class BusyRunnerTest : public ExecutorTest {
 protected:
  void SetUp() override {
    Start();
    const int model = AddThatHolds(Quick({1}));
    AdmitAndPush(model, 0);
    busy.wait();
    for (int item : {1, 2}) AdmitAndPush(model, item);
  }

  // Asks for work between batches, then lets the runner go on; returns what it did.
  std::vector<Items> OrderWithWork(absl::Duration patience) {
    std::thread asking = Ask(
        [this] {
          std::lock_guard lock(mutex);
          batches.push_back({99});
        },
        patience, /*done=*/true);
    Release();
    asking.join();
    executor->Stop();
    return batches;
  }
};

TEST_F(BusyRunnerTest, ItemsThatWaitGoBeforeWorkBetweenBatches) {
  EXPECT_THAT(OrderWithWork(absl::InfiniteDuration()),
              ElementsAreArray(std::vector<Items>{{0}, {1}, {2}, {99}}));
}

TEST_F(BusyRunnerTest, WorkWhosePatienceIsOverGoesBeforeItems) {
  EXPECT_THAT(OrderWithWork(-absl::Seconds(1)),
              ElementsAreArray(std::vector<Items>{{0}, {99}, {1}, {2}}));
}

TEST_F(BusyRunnerTest, StopGivesUpWorkThatHasNotStarted) {
  std::thread asking = Ask([] { FAIL(); }, absl::InfiniteDuration(), /*done=*/false);
  std::thread stop([&] { executor->Stop(); });
  asking.join();
  Release();
  stop.join();
}

TEST_F(ExecutorTest, NoWorkIsDoneAfterStop) {
  Start();
  executor->Stop();
  EXPECT_FALSE(executor->RunBetween(
      0, [] { FAIL(); }, {}, absl::InfiniteDuration()));
}

}  // namespace
}  // namespace patchserve
