// Which requests the scheduler takes, one decision a test. That it holds its promises is in
// forecast_test.cc, that costs heal in healing_test.cc.
#include "server/scheduling/scheduler.h"

#include "tests/scheduling/scheduler_fixture.h"

namespace patchserve {
namespace {

using ::testing::ElementsAre;

TEST_F(SchedulerTest, ALoneRequestIsAdmittedIfAnIdleDeviceCanAnswerItInTime) {
  Add(Known(kOne, Flat(10 * ms)));
  EXPECT_EQ(Ask(10 * ms).answer, Answer::kHopeless);  // the safety margin is 5 %
  EXPECT_EQ(Ask(11 * ms).answer, Answer::kAdmitted);
}

TEST_F(SchedulerTest, AnIdleDeviceIsTriedHoweverWideTheMarginHasGrown) {
  Add(Known(kOne, Flat(10 * ms)));
  for (int i = 0; i < 1000; ++i) scheduler->Answered(0, /*requests=*/1, /*late=*/1);
  ASSERT_GT(queue(0).margin.share(), 7);
  Push(25 * ms);
  EXPECT_EQ(Ask(60 * ms).answer, Answer::kLate);  // 20 ms, and 80 to spare
}

TEST_F(SchedulerTest, ADeadlineThatNoIdleDeviceKeepsIsHopelessAndNotLate) {
  Add(Known(kOne, Flat(10 * ms)));
  for (int i = 0; i < 5; ++i) Push(100 * ms);
  EXPECT_EQ(Ask(5 * ms).answer, Answer::kHopeless);
  const Asking decoded_late = {.deadline = now + 15 * ms, .decode = 8 * ms};
  EXPECT_EQ(scheduler->Admit(decoded_late, now).answer, Answer::kHopeless);
}

TEST_F(SchedulerTest, AQueueBeforeTheDecoderMakesARequestLateNotHopeless) {
  Add(Known(kOne, Flat(10 * ms)));
  const Asking asking = {.deadline = now + 15 * ms, .decode_wait = 8 * ms};
  EXPECT_EQ(scheduler->Admit(asking, now).answer, Answer::kLate);
}

TEST_F(SchedulerTest, AsManyAreAdmittedAsCanBeInTimeAndTheNextIsLate) {
  Add(Known(kOne, Flat(10 * ms)));
  for (int i = 0; i < 10; ++i) Push(105 * ms);
  const Admission eleventh = Ask(105 * ms);
  EXPECT_EQ(eleventh.answer, Answer::kLate);
  EXPECT_EQ(eleventh.wait, 100 * ms);
  EXPECT_EQ(eleventh.run, 10 * ms);
  EXPECT_EQ(eleventh.margin, 0.5 * ms);
}

TEST_F(SchedulerTest, TwoRunnersAnswerTwiceAsManyInTime) {
  Start({.runners = 2});
  Add(Known(kOne, Flat(10 * ms)));
  EXPECT_EQ(Admitted({.criticality = Criticality::kCritical, .deadline = now + 105 * ms}), 20);
}

TEST_F(SchedulerTest, RunnersThatShareADeviceAnswerNoMoreThanOne) {
  Start({.runners = 2, .shared_device = true});
  Add(Known(kOne, Flat(10 * ms)));
  EXPECT_EQ(Admitted({.criticality = Criticality::kCritical, .deadline = now + 105 * ms}), 10);
}

TEST_F(SchedulerTest, ARequestThatWouldMakeAnAdmittedOneLateIsHarmful) {
  Add(Known(kOne, Flat(10 * ms)));
  Push(21 * ms);
  Push(21 * ms);
  EXPECT_EQ(Ask(15 * ms).answer, Answer::kHarmful);
}

TEST_F(SchedulerTest, AnUrgentRequestGoesBeforeThoseThatHaveTime) {
  Add(Known(kOne, Flat(10 * ms)));
  Push(40 * ms);
  Push(40 * ms);
  EXPECT_EQ(Ask(15 * ms).answer, Answer::kAdmitted);
}

TEST_F(SchedulerTest, ARequestThatWouldMakeAnotherModelsLateIsHarmful) {
  Add(Known(kOne, Flat(10 * ms)));
  Add(Known(kOne, Flat(10 * ms)));
  Push(21 * ms, 0);
  Push(21 * ms, 1);
  EXPECT_EQ(Ask(15 * ms, 1).answer, Answer::kHarmful);
  EXPECT_EQ(Ask(35 * ms, 1).answer, Answer::kAdmitted);
}

TEST_F(SchedulerTest, ARequestThatFitsIntoTheBatchHarmsNobody) {
  Add(Known(kEight, Flat(10 * ms)));
  for (int i = 0; i < 8; ++i) Push(11 * ms);
  EXPECT_EQ(Ask(11 * ms).answer, Answer::kLate);  // the ninth is in the next
}

TEST_F(SchedulerTest, APriceThatIsNotTrustedLocksNobodyOutOfAnIdleDevice) {
  Add(CostModel(kOne, {{1, absl::Seconds(10)}}));
  EXPECT_EQ(Ask(50 * ms).answer, Answer::kAdmitted);
  EXPECT_EQ(Ask(50 * ms).answer, Answer::kHopeless);  // one is enough to learn the price
}

TEST_F(SchedulerTest, WhatIsAdmittedAtAPriceThatIsNotTrustedRuns) {
  Add(CostModel({1, 128}, {{1, absl::Seconds(1)}}));
  const int64_t request = Push(50 * ms);
  EXPECT_TRUE(scheduler->InTime(0, now + 50 * ms, now));
  EXPECT_THAT(scheduler->Next(now).requests, ElementsAre(request));
}

TEST_F(SchedulerTest, AFullQueueHasNoPlaceUntilOneLeaves) {
  Add(Known(kEight, Flat(10 * ms)), /*max_queued=*/2);
  const int64_t first = Push(absl::Seconds(1));
  Push(absl::Seconds(1));
  EXPECT_EQ(Ask(absl::Seconds(1)).answer, Answer::kNoPlace);
  EXPECT_TRUE(scheduler->Leave(first, now));
  EXPECT_EQ(Ask(absl::Seconds(1)).answer, Answer::kAdmitted);
}

TEST_F(SchedulerTest, ADeadlineThatNoIdleDeviceKeepsIsHopelessAlsoWhereTheQueueIsFull) {
  Add(Known(kEight, Flat(10 * ms)), /*max_queued=*/1);
  Push(absl::Seconds(1));
  EXPECT_EQ(Ask(absl::Seconds(1)).answer, Answer::kNoPlace);
  EXPECT_EQ(Ask(9 * ms).answer, Answer::kHopeless);
}

TEST_F(SchedulerTest, EachLevelOfCriticalityFillsItsPartOfTheQueue) {
  Add(Known(kEight, Flat(10 * ms)), /*max_queued=*/10);
  const absl::Time deadline = now + absl::Seconds(1);
  EXPECT_EQ(Admitted({.criticality = Criticality::kSheddable, .deadline = deadline}), 5);
  EXPECT_EQ(Admitted({.criticality = Criticality::kDefault, .deadline = deadline}), 4);
  EXPECT_EQ(Admitted({.criticality = Criticality::kCritical, .deadline = deadline}), 1);
}

TEST_F(SchedulerTest, EachLevelOfCriticalityMayWaitForAPartOfItsTime) {
  Add(Known(kOne, Flat(10 * ms)));
  const absl::Time deadline = now + 110 * ms;
  EXPECT_EQ(Admitted({.criticality = Criticality::kSheddable, .deadline = deadline}), 5);
  EXPECT_EQ(Admitted({.criticality = Criticality::kDefault, .deadline = deadline}), 4);
  EXPECT_EQ(Admitted({.criticality = Criticality::kCritical, .deadline = deadline}), 1);
}

TEST_F(SchedulerTest, ARetryCountsAsAnArrivalOnlyWhenItIsAdmitted) {
  Add(Known(kOne, Flat(10 * ms)), /*max_queued=*/1);
  const Asking retried = {.deadline = now + absl::Seconds(1), .retried = true};
  Push(absl::Seconds(1));
  EXPECT_EQ(scheduler->Admit(retried, now).answer, Answer::kNoPlace);
  EXPECT_EQ(queue(0).arrivals.count(), 1);
  scheduler->Next(now);
  EXPECT_EQ(scheduler->Admit(retried, now).answer, Answer::kAdmitted);
  EXPECT_EQ(queue(0).arrivals.count(), 2);
}

TEST_F(SchedulerTest, ARefusalSaysToComeBackTheLaterTheMoreComes) {
  Add(Known(kOne, Flat(10 * ms)), /*max_queued=*/1);
  Push(absl::Seconds(1));
  now += absl::Seconds(5);
  Came(5 * ms, absl::Seconds(1), 0, 1000);
  EXPECT_NEAR(scheduler->device().utilisation, 2, 0.1);
  const Admission refused = Ask(absl::Seconds(1));
  EXPECT_EQ(refused.answer, Answer::kNoPlace);
  EXPECT_NEAR(absl::FDivDuration(refused.retry_after, std::max(refused.wait, refused.run)), 2, 0.1);
}

TEST_F(SchedulerTest, WorkBetweenBatchesIsWaitedFor) {
  Add(Known(kOne, Flat(10 * ms)));
  const int64_t run = scheduler->Occupy(30 * ms, now);
  EXPECT_EQ(Ask(35 * ms).answer, Answer::kLate);
  EXPECT_EQ(scheduler->Wait(0, now), 30 * ms);
  scheduler->Ended(run, now);
  EXPECT_EQ(Ask(35 * ms).answer, Answer::kAdmitted);
}

TEST_F(SchedulerTest, ACancelledRequestLeavesOnce) {
  Add(Known(kEight, Flat(10 * ms)));
  const int64_t first = Push(absl::Seconds(1)), second = Push(absl::Seconds(1));
  EXPECT_TRUE(scheduler->Leave(first, now));
  EXPECT_FALSE(scheduler->Leave(first, now));
  EXPECT_THAT(scheduler->Next(now).requests, ElementsAre(second));
  EXPECT_FALSE(scheduler->Leave(second, now));
}

TEST_F(SchedulerTest, ATicketNamesNoOtherRequestThatComesLater) {
  Add(Known(kEight, Flat(10 * ms)));
  const int64_t gone = Push(absl::Seconds(1));
  scheduler->Leave(gone, now);
  Ask(absl::Seconds(1));
  EXPECT_FALSE(scheduler->Ready(gone, now));
  EXPECT_FALSE(scheduler->Leave(gone, now));
  EXPECT_EQ(queue(0).waiting(), 1);
}

TEST_F(SchedulerTest, ALimitHoldsFromTheNextBatchOn) {
  Add(Known(kEight, Flat(10 * ms)));
  for (int i = 0; i < 8; ++i) Push(absl::Seconds(1));
  scheduler->LimitBatch(0, 3);
  EXPECT_EQ(scheduler->Next(now).bucket, 2);
}

TEST_F(SchedulerTest, ARemovedModelsNumberIsGivenToTheNext) {
  Add(Known(kOne, Flat(10 * ms)));
  const int second = Add(Known(kOne, Flat(10 * ms)));
  Ask(11 * ms, second);
  scheduler->Next(now);
  Came(ms, absl::Seconds(1), second);
  scheduler->RemoveModel(second);
  EXPECT_EQ(Add(Known(kOne, Flat(30 * ms))), second);
  EXPECT_EQ(queue(second).arrivals.count(), 0);
  EXPECT_EQ(Add(Known(kOne, Flat(10 * ms))), 2);
}

}  // namespace
}  // namespace patchserve
