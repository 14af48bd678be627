// What the scheduler runs next, one decision a test.
#include "server/scheduling/scheduler.h"
#include "tests/scheduling/scheduler_fixture.h"

namespace patchserve {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

using NextBatchTest = SchedulerTest;

TEST_F(NextBatchTest, WithNothingReadyNothingRuns) {
  Add(Known(kOne, Flat(10 * ms)));
  Ask(absl::Seconds(1));  // is being decoded
  EXPECT_EQ(scheduler->Next(now).model, -1);
  EXPECT_EQ(scheduler->ready(), 0);
}

TEST_F(NextBatchTest, TheEarliestDeadlineGoesFirst) {
  Add(Known(kEight, Flat(10 * ms)));
  const int64_t second = Push(90 * ms), third = Push(120 * ms), first = Push(60 * ms);
  const Scheduler::Batch batch = scheduler->Next(now);
  EXPECT_THAT(batch.requests, ElementsAre(first, second, third));
  EXPECT_EQ(batch.bucket, 4);
}

TEST_F(NextBatchTest, WhereTimeIsInProportionImagesRunOneByOne) {
  Add(Known(kEight, Linear(10 * ms)));
  for (int i = 0; i < 4; ++i) Push(absl::Seconds(1));
  EXPECT_THAT(scheduler->Next(now).requests, SizeIs(1));
}

TEST_F(NextBatchTest, ABatchThatDoesNotFillABucketTakesTheSmallerOneIfThatIsCheaperAnImage) {
  // Five would run in eight: 8 ms more for one image more.
  Add(Known(kEight, Fixed(4 * ms, 2 * ms)));
  for (int i = 0; i < 5; ++i) Push(absl::Seconds(1));
  const Scheduler::Batch batch = scheduler->Next(now);
  EXPECT_THAT(batch.requests, SizeIs(4));
  EXPECT_EQ(batch.bucket, 4);
}

TEST_F(NextBatchTest, ABucketWhoseTimeIsNotKnownIsTriedOnceAllHaveTimeForIt) {
  Add(CostModel({1, 8}, {{1, 10 * ms}, {8, 10 * ms}}));
  for (int i = 0; i < 16; ++i) Push(25 * ms);
  EXPECT_EQ(scheduler->Next(now).bucket, 8);  // the price of one image isn't known, but no matter

  Start({});
  Add(CostModel({1, 8}, {{1, 10 * ms}, {8, 10 * ms}}));
  for (int i = 0; i < 16; ++i) Push(35 * ms);
  EXPECT_EQ(scheduler->Next(now).bucket, 1);  // both batches of eight can still follow
}

TEST_F(NextBatchTest, ARequestThatCanNotBeInTimeInItsBatchLeavesItToTheOthers) {
  Add(Known(kEight, Fixed(10 * ms, ms)));
  const int64_t run = scheduler->Occupy(absl::ZeroDuration(), now);
  const int64_t urgent = Push(30 * ms);
  for (int i = 0; i < 6; ++i) Push(60 * ms);
  now += 17 * ms;  // the runner was kept for longer than was said
  scheduler->Ended(run, now);
  const double margin = queue(0).margin.share();
  const Scheduler::Batch batch = scheduler->Next(now);
  EXPECT_THAT(batch.late, ElementsAre(urgent));  // 13 ms are left, and seven take 18
  EXPECT_THAT(batch.requests, SizeIs(6));
  scheduler->Answered(0, /*requests=*/6, /*late=*/0);
  EXPECT_GT(queue(0).margin.share(), margin);  // alone it would have been in time, and yet is lost
}

TEST_F(NextBatchTest, BatchesDoNotMixModelsAndTheOneThatIsDueFirstRuns) {
  Add(Known(kEight, Flat(10 * ms)));
  Add(Known(kEight, Flat(50 * ms)));
  Push(100 * ms, 0);
  const int64_t urgent = Push(90 * ms, 1);
  const Scheduler::Batch batch = scheduler->Next(now);
  EXPECT_EQ(batch.model, 1);
  EXPECT_THAT(batch.requests, ElementsAre(urgent));
}

TEST_F(NextBatchTest, ARequestThatCanNotBeInTimeAnyMoreLeavesAndDoesNotRun) {
  Add(Known(kOne, Flat(10 * ms)));
  const int64_t late = Push(15 * ms), other = Push(50 * ms);
  now += 8 * ms;
  const double margin = queue(0).margin.share();
  const Scheduler::Batch batch = scheduler->Next(now);
  EXPECT_THAT(batch.late, ElementsAre(late));
  EXPECT_THAT(batch.requests, ElementsAre(other));
  scheduler->Answered(0, /*requests=*/1, /*late=*/0);
  EXPECT_GT(queue(0).margin.share(), margin);
}

TEST_F(NextBatchTest, RequestsThatLeaveLateRaiseTheMarginHoweverLargeBatchesAre) {
  Add(Known({1, 512}, Flat(10 * ms)));
  const double margin = queue(0).margin.share();
  for (int i = 0; i < 400; ++i) Push(15 * ms);
  now += 10 * ms;
  scheduler->Next(now);
  scheduler->Answered(0, /*requests=*/1, /*late=*/0);
  EXPECT_GT(queue(0).margin.share(), margin);
}

TEST_F(NextBatchTest, ABatchThatFailedTeachesNothing) {
  Add(Known(kOne, Flat(10 * ms)));
  for (int i = 0; i < 3; ++i) {
    Push(absl::Seconds(1));
    const int64_t run = scheduler->Next(now).run;
    scheduler->Ended(run, now += absl::Microseconds(1), /*ok=*/false);
  }
  EXPECT_EQ(queue(0).cost.Expected(1), 10 * ms);
}

// Eight runners with a core each, and a model that takes 10 ms on one of them.
class LoneBatchTest : public SchedulerTest {
 protected:
  void SetUp() override { AddLone(Known(kOne, Flat(10 * ms))); }
  int AddLone(CostModel cost, int cores_of_lone = 8) {
    if (queues().empty()) Start({.runners = 8});
    return scheduler->AddModel(1000, std::move(cost), cores_of_lone);
  }
  Scheduler::Batch Begin(int model = 0) {
    Push(absl::Seconds(1), model);
    return scheduler->Next(now);
  }
  // Begins a batch of so many images and ends it; how many cores it had.
  int Run(absl::Duration takes = 10 * ms, int model = 0, int images = 1, bool ok = true) {
    for (int i = 1; i < images; ++i) Push(absl::Seconds(1), model);
    const Scheduler::Batch batch = Begin(model);
    EXPECT_THAT(batch.requests, SizeIs(images));
    scheduler->Ended(batch.run, now += takes, ok);
    return batch.cores;
  }
  const std::vector<ModelQueue>& queues() const { return scheduler->device().models; }
};

TEST_F(LoneBatchTest, HasTwoFourOrEightCoresAtTwoMillisecondsEach) {
  const auto cores = [&](absl::Duration takes, int cores_of_lone = 8) {
    return Run(takes, AddLone(Known(kOne, Flat(takes)), cores_of_lone));
  };
  EXPECT_EQ(cores(3.9 * ms), 1);
  EXPECT_EQ(cores(4 * ms), 2);
  EXPECT_EQ(cores(7.9 * ms), 2);
  EXPECT_EQ(cores(8 * ms), 4);
  EXPECT_EQ(cores(16 * ms), 8);
  EXPECT_EQ(cores(100 * ms), 8);
  EXPECT_EQ(cores(100 * ms, /*cores_of_lone=*/2), 2);
  EXPECT_EQ(cores(100 * ms, /*cores_of_lone=*/1), 1);
}

TEST_F(LoneBatchTest, HasSeveralCoresAfterAPauseToo) {
  now += absl::Hours(1);
  EXPECT_EQ(Run(), 4);
}

TEST_F(LoneBatchTest, ABatchBesideAnotherHasOneCore) {
  Begin();
  EXPECT_EQ(Begin().cores, 1);
}

TEST_F(LoneBatchTest, ABatchBesideOtherWorkOfARunnerHasOneCore) {
  scheduler->Occupy(10 * ms, now);
  EXPECT_EQ(Begin().cores, 1);
}

TEST_F(LoneBatchTest, ABatchHasOneCoreWhileARequestIsDecoded) {
  ASSERT_EQ(Ask(absl::Seconds(1)).answer, Answer::kAdmitted);
  EXPECT_EQ(Begin().cores, 1);
}

TEST_F(LoneBatchTest, WhatABatchTakesOnSeveralCoresIsNotLearned) {
  for (int i = 0; i < 3; ++i) ASSERT_EQ(Run(4 * ms), 4);
  EXPECT_EQ(queue(0).cost.Expected(1), 10 * ms);
}

TEST_F(LoneBatchTest, WhatABatchTakesBesideOneOnSeveralCoresIsNotLearned) {
  for (int i = 0; i < 3; ++i) {
    const Scheduler::Batch lone = Begin(), beside = Begin();
    ASSERT_EQ(lone.cores, 4);
    EXPECT_FALSE(scheduler->Ended(lone.run, now += 8 * ms));
    EXPECT_FALSE(scheduler->Ended(beside.run, now += 8 * ms));
  }
  EXPECT_EQ(queue(0).cost.Expected(1), 10 * ms);
}

TEST_F(LoneBatchTest, OnSeveralCoresConfirmsNothing) {
  now += absl::Seconds(59);
  Run(4 * ms);
  now += absl::Seconds(2);
  EXPECT_FALSE(queue(0).cost.Trusted(1, now));
}

TEST_F(LoneBatchTest, TheFirstOfASizeHasOneCore) {
  const int unknown = AddLone(CostModel(kOne, {{1, 10 * ms}}));
  EXPECT_EQ(Run(10 * ms, unknown), 1);
  EXPECT_EQ(Run(10 * ms, unknown), 4);
}

TEST_F(LoneBatchTest, OneInSixteenHasOneCoreAndConfirmsWhatThatTakes) {
  for (int i = 0; i < 15; ++i) ASSERT_EQ(Run(4 * ms), 4) << i;
  EXPECT_EQ(Run(11 * ms), 1);
  EXPECT_GT(queue(0).cost.Expected(1), 10 * ms);
  EXPECT_EQ(Run(), 4);
}

TEST_F(LoneBatchTest, ASurpriseIsLookedAtByTheNext) {
  for (int i = 0; i < 15; ++i) Run(4 * ms);
  Run(20 * ms);
  EXPECT_EQ(Run(20 * ms), 1);
  EXPECT_EQ(queue(0).cost.Expected(1), 20 * ms);
}

TEST_F(LoneBatchTest, OneThatFailsConfirmsNothingSoTheNextHasOneCore) {
  for (int i = 0; i < 15; ++i) Run(4 * ms);
  EXPECT_EQ(Run(ms, /*model=*/0, /*images=*/1, /*ok=*/false), 1);
  EXPECT_EQ(Run(), 1);
  EXPECT_EQ(Run(), 4);
}

TEST_F(LoneBatchTest, EachOfSizesThatTakeTurnsIsConfirmed) {
  const int two = AddLone(Known({1, 2}, Fixed(10 * ms, ms)));
  int confirmed[] = {0, 0};
  for (int i = 0; i < 16; ++i) {
    for (int images : {1, 2}) confirmed[images - 1] += Run(11 * ms, two, images) == 1;
  }
  EXPECT_THAT(confirmed, ElementsAre(1, 1));
}

// A shared device on which eight images run, for 17 ms.
class SharedDeviceTest : public SchedulerTest {
 protected:
  void SetUp() override {
    Start({.runners = 2, .shared_device = true});
    Add(Known(kEight, Fixed(9 * ms, ms)));
    for (int i = 0; i < 8; ++i) Push(absl::Seconds(1));
    first = scheduler->Next(now);
    ASSERT_EQ(first.bucket, 8);
  }

  Scheduler::Batch first;
};

TEST_F(SharedDeviceTest, TheNextBatchIsFormedUntilTheDeviceIsFree) {
  Push(absl::Seconds(1));
  const Scheduler::Batch wait = scheduler->Next(now);
  EXPECT_EQ(wait.model, -1);
  EXPECT_EQ(wait.wake, now + 17 * ms);
  Push(absl::Seconds(1));
  now += 17 * ms;
  scheduler->Ended(first.run, now);
  EXPECT_THAT(scheduler->Next(now).requests, SizeIs(2));
}

TEST_F(SharedDeviceTest, AFullBatchIsHandedOverAsMuchEarlierAsASmallOneTakes) {
  for (int i = 0; i < 8; ++i) Push(absl::Seconds(1));
  const Scheduler::Batch wait = scheduler->Next(now);
  EXPECT_EQ(wait.model, -1);
  EXPECT_EQ(wait.wake, now + 7 * ms);  // the first is done in 17, and one image takes 10
  EXPECT_EQ(scheduler->Next(wait.wake).bucket, 8);
}

TEST_F(SharedDeviceTest, ABatchThatWaitedForTheDeviceTookTheTimeSinceTheOneBefore) {
  for (int i = 0; i < 8; ++i) Push(absl::Seconds(1));
  const Scheduler::Batch second = scheduler->Next(now + 7 * ms);
  scheduler->Ended(first.run, now + 17 * ms);
  scheduler->Ended(second.run, now + 34 * ms);
  EXPECT_EQ(queue(0).cost.Expected(8), 17 * ms);
}

TEST_F(SharedDeviceTest, WorkBetweenBatchesKeepsARunnerAndNotTheDevice) {
  scheduler->Ended(first.run, now += 17 * ms);
  scheduler->Occupy(absl::Seconds(1), now);
  const int64_t request = Push(absl::Seconds(1));
  EXPECT_THAT(scheduler->Next(now).requests, ElementsAre(request));
}

TEST_F(SharedDeviceTest, ANewcomerStartsWhenTheDeviceIsFree) {
  EXPECT_EQ(Ask(absl::Seconds(1)).wait, 17 * ms);
}

TEST_F(NextBatchTest, ARunnerDoesNotWaitForARequestThatIsBeingDecoded) {
  Add(Known(kOne, Flat(10 * ms)));
  const int64_t ready = Push(absl::Seconds(1));
  const Asking decoding = {.deadline = now + 100 * ms, .decode = 2 * ms};
  EXPECT_EQ(scheduler->Admit(decoding, now).wait, 10 * ms);  // the next turn
  EXPECT_THAT(scheduler->Next(now).requests, ElementsAre(ready));
}

// A batch takes 10 ms and one more an image.
class WaitingTest : public SchedulerTest {
 protected:
  void SetUp() override { Add(Known({1, 2, 4, 8}, Fixed(10 * ms, ms))); }
};

TEST_F(WaitingTest, AnIdleDeviceWaitsForALargerBatchWhereEachRunMakesRequestsLate) {
  Came(ms, 20 * ms);
  ASSERT_GT(queue(0).batch, 1);
  Push(20 * ms);
  const Scheduler::Batch batch = scheduler->Next(now);
  EXPECT_EQ(batch.model, -1);
  EXPECT_GT(batch.wake, now + 5 * ms);
  // Then two can still run together.
  EXPECT_LT(batch.wake, now + 8 * ms);
  EXPECT_THAT(scheduler->Next(batch.wake).requests, SizeIs(1));
}

TEST_F(WaitingTest, AnIdleDeviceRunsAtOnceWhereRequestsHaveTime) {
  Came(ms, absl::Seconds(1));
  Push(20 * ms);
  EXPECT_THAT(scheduler->Next(now).requests, SizeIs(1));
}

TEST_F(WaitingTest, NoRequestWaitsLongerThanTheLongestDelay) {
  Start({.max_delay = ms});
  SetUp();
  Came(ms, 20 * ms);
  Push(20 * ms);
  EXPECT_EQ(scheduler->Next(now).wake, now + ms);
}

TEST_F(WaitingTest, NothingIsWaitedForWhileDraining) {
  Came(ms, 20 * ms);
  Push(20 * ms);
  EXPECT_THAT(scheduler->Next(now, /*draining=*/true).requests, SizeIs(1));
}

TEST_F(WaitingTest, ARunnerDoesNotWaitWhileAnotherIsFree) {
  Start({.runners = 2});
  SetUp();
  Came(ms / 2, 20 * ms);
  Push(20 * ms);
  EXPECT_THAT(scheduler->Next(now).requests, SizeIs(1));
}

// Two models whose images take 10 ms each.
class TurnsTest : public SchedulerTest {
 protected:
  void SetUp() override {
    for (int i = 0; i < 2; ++i) Add(Known(kOne, Flat(10 * ms)), /*max_queued=*/10);
  }
  // For a second a request of each model comes every so many milliseconds. Model 0's are due
  // earlier. Returns how many of each ran.
  std::pair<int, int> Run(absl::Duration every_0, absl::Duration every_1) {
    int ran[2] = {0, 0};
    absl::Time next[2] = {now, now};
    const absl::Duration every[2] = {every_0, every_1};
    int64_t run = -1;
    absl::Time end = absl::InfiniteFuture();
    for (const absl::Time stop = now + absl::Seconds(1); now < stop; now += ms / 2) {
      for (int model : {0, 1}) {
        if (now < next[model]) continue;
        next[model] += every[model];
        const Admission admission = scheduler->Admit(
            {.model = model, .deadline = now + (model == 0 ? 200 : 800) * ms}, now);
        if (admission.ticket >= 0) scheduler->Ready(admission.ticket, now);
      }
      if (now >= end) {
        scheduler->Ended(run, now);
        end = absl::InfiniteFuture();
      }
      if (end != absl::InfiniteFuture() || scheduler->ready() == 0) continue;
      const Scheduler::Batch batch = scheduler->Next(now);
      if (batch.model < 0) continue;
      ++ran[batch.model];
      run = batch.run;
      end = now + 10 * ms;
    }
    if (end != absl::InfiniteFuture()) scheduler->Ended(run, now);
    return {ran[0], ran[1]};
  }
};

TEST_F(TurnsTest, UnderOverloadModelsShareTheDeviceHoweverUrgentTheOnesRequests) {
  Run(5 * ms, 5 * ms);
  const auto [urgent, patient] = Run(5 * ms, 5 * ms);
  EXPECT_NEAR(urgent, 50, 7);
  EXPECT_NEAR(patient, 50, 7);
}

TEST_F(TurnsTest, ABurstOfOneModelTakesNothingFromAnotherThatAsksForLess) {
  Run(2 * ms, 40 * ms);
  const auto [burst, sparse] = Run(2 * ms, 40 * ms);
  EXPECT_GE(sparse, 24);
  EXPECT_GE(burst, 70);
}

TEST_F(TurnsTest, AnOverloadEndsOnlyOnceThereIsRoomAgain) {
  const auto debt = [&] { return queue(0).used - queue(1).used; };
  const auto load = [&](absl::Duration gap) {  // of model 0 alone
    now += 1000 * gap;
    Came(gap, absl::Seconds(1), 0, 1000);
    Push(absl::Seconds(1));
    scheduler->Ended(scheduler->Next(now).run, now + 10 * ms);
    now += 10 * ms;
    scheduler->Next(now);
    return scheduler->device().utilisation;
  };
  EXPECT_NEAR(load(10.5 * ms), 0.95, 0.02);
  EXPECT_EQ(debt(), absl::ZeroDuration());  // no overload yet
  EXPECT_NEAR(load(9 * ms), 1.1, 0.03);
  EXPECT_GT(debt(), absl::ZeroDuration());
  EXPECT_NEAR(load(10.5 * ms), 0.95, 0.02);
  EXPECT_GT(debt(), absl::ZeroDuration());  // still
  EXPECT_NEAR(load(12.5 * ms), 0.8, 0.02);
  EXPECT_EQ(debt(), absl::ZeroDuration());
}

TEST_F(TurnsTest, AModelThatHadNothingToDoHasSavedNoTurns) {
  Run(5 * ms, absl::Hours(1));
  const absl::Duration ahead = queue(0).used - queue(1).used;
  EXPECT_GT(ahead, 500 * ms);
  Push(absl::Seconds(5), 1);
  EXPECT_LT(queue(0).used - queue(1).used, 50 * ms);
}

}  // namespace
}  // namespace patchserve
