#include "server/scheduling/newcomer.h"

#include "tests/scheduling/batch_rule_fixture.h"

namespace patchserve {
namespace {

class NewcomerTest : public BatchRuleTest {
 protected:
  // With one runner, busy for so long.
  Load Find(int model, double deadline, absl::Duration running) const {
    return rule.Find(model, t0 + deadline * ms, {.sum = running, .least = running}, t0);
  }
  Load FindIdle(int model, double deadline) const {
    return rule.Find(model, t0 + deadline * ms, {.idle = 1}, t0);
  }
  Admission::Answer Ask(int model, double deadline, absl::Duration running,
                        Criticality criticality = Criticality::kDefault) {
    return rule
        .Ask({.model = model, .criticality = criticality, .deadline = t0 + deadline * ms},
             {.sum = running, .least = running}, t0)
        .answer;
  }
  static constexpr auto kAdmitted = Admission::Answer::kAdmitted;
  static constexpr auto kHarmful = Admission::Answer::kHarmful;
};

TEST_F(NewcomerTest, ANewcomerFindsTheBatchesThatGoBeforeIt) {
  const int model = rule.AddModel({.max_queued = 9}, Flat(2));
  Push(model, {50, 60, 70});
  const Load second = Find(model, 55, /*running=*/4 * ms);  // it joins the first one's batch
  EXPECT_EQ(second.running, 4 * ms);
  EXPECT_EQ(second.ahead, 0 * ms);
  EXPECT_EQ(second.run, 10 * ms);
  EXPECT_EQ(Find(model, 99, /*running=*/4 * ms).ahead, 10 * ms);
  EXPECT_EQ(Find(model, 99, /*running=*/4 * ms).places, 3);
  EXPECT_EQ(Find(model, 99, /*running=*/4 * ms).max_places, 9);
}

TEST_F(NewcomerTest, ANewcomerFindsThoseThatAreBeingDecodedBeforeIt) {
  const int model = rule.AddModel({}, Linear(1));
  EXPECT_TRUE(FindIdle(model, 99).idle);
  rule.Ask({.model = model, .deadline = t0 + 50 * ms}, {.idle = 1}, t0);
  EXPECT_FALSE(FindIdle(model, 99).idle);
  EXPECT_EQ(FindIdle(model, 99).ahead, 10 * ms);
  rule.TakeBack(model, t0 + 50 * ms);
  EXPECT_TRUE(FindIdle(model, 99).idle);
}

TEST_F(NewcomerTest, WhoIsStillBeingDecodedHoldsNobodyUpWhoIsReady) {
  const int model = rule.AddModel({}, Linear(1));
  rule.Ask({.model = model, .deadline = t0 + 50 * ms, .decode = 30 * ms}, {.idle = 1}, t0);
  EXPECT_EQ(FindIdle(model, 99).ahead, 0 * ms);
  Push(model, {60, 70, 80});
  EXPECT_EQ(FindIdle(model, 99).ahead, 40 * ms);  // now it goes before the newcomer
}

// Else a storm of requests that are given up would have the others refused.
TEST_F(NewcomerTest, WhoGivesUpIsNotExpectedToFillBatches) {
  const int model = rule.AddModel({}, CostModel({{1, 10 * ms}, {8, 24 * ms}}, 8));
  const auto run = [&](absl::Time now) {
    return rule.Find(model, now + 60 * ms, {.sum = 50 * ms, .least = 50 * ms}, now).run;
  };
  absl::Time now = t0;
  for (int i = 0; i < 300; ++i, now += 5 * ms) {
    rule.Ask({.model = model, .deadline = now + 60 * ms}, {.idle = 1}, now);
    rule.TakeBack(model, now + 60 * ms);
  }
  EXPECT_LE(run(now), 12 * ms);
  for (int i = 0; i < 300; ++i, now += 5 * ms) {
    rule.Ask({.model = model, .deadline = now + 60 * ms}, {.idle = 1}, now);
    rule.Push(model, i, now + 60 * ms, now, /*admitted=*/true);
    rule.Next(now, 1);
  }
  EXPECT_GE(run(now), 20 * ms);
}

TEST_F(NewcomerTest, OfSeveralRunnersTheNextThatIsFreeCounts) {
  BatchRule<int> two({.runners = 2});
  const int model = two.AddModel({}, Linear(1));
  const RunnerState busy{.sum = 34 * ms, .least = 4 * ms};
  EXPECT_EQ(two.Find(model, t0 + 99 * ms, busy, t0).running, 4 * ms);
  EXPECT_EQ(two.Find(model, t0 + 99 * ms, busy, t0).ahead, 0 * ms);
  ASSERT_EQ(two.Push(model, 1, t0 + 50 * ms, t0), std::nullopt);
  EXPECT_EQ(two.Find(model, t0 + 99 * ms, busy, t0).ahead, 18 * ms);  // (34 + 10) / 2 in all
}

TEST_F(NewcomerTest, TheBatchIsExpectedToGrowUntilItStarts) {
  const int model = rule.AddModel({}, CostModel({{1, 10 * ms}, {8, 24 * ms}}, 8));
  for (int i = 0; i < 100; ++i) rule.Arrive(model, t0 + i * 5 * ms + 60 * ms, t0 + i * 5 * ms);
  const absl::Time now = t0 + 500 * ms;
  const auto run = [&](absl::Duration running) {
    return rule.Find(model, now + 60 * ms, {.sum = running, .least = running}, now).run;
  };
  EXPECT_EQ(run(0 * ms), 10 * ms);
  EXPECT_EQ(run(9 * ms), 14 * ms);   // two more will come
  EXPECT_EQ(run(99 * ms), 22 * ms);  // no more than pay
}

// In these a batch takes 10 ms, give or take half a millisecond, and so did the one under way.

TEST_F(NewcomerTest, WhoWasTakenInIsNotMadeLateByANewcomerUnlessThatIsCritical) {
  const int model = rule.AddModel({}, Linear(1));
  Push(model, {35, 90});
  EXPECT_EQ(Ask(model, 32, /*running=*/20 * ms), kHarmful);
  EXPECT_EQ(Ask(model, 32, /*running=*/20 * ms, Criticality::kCritical), kAdmitted);
}

TEST_F(NewcomerTest, WhoIsNotMadeLateDoesNotMind) {
  const int model = rule.AddModel({}, Linear(1));
  Push(model, {35, 90});
  EXPECT_EQ(Ask(model, 30, /*running=*/4 * ms), kAdmitted);
}

TEST_F(NewcomerTest, WhoIsLateAnywayIsNoReasonToRefuse) {
  const int quick = rule.AddModel({}, CostModel({{1, 2 * ms}}, 1));
  const int slow = rule.AddModel({}, Linear(1));
  Push(slow, {34});
  EXPECT_EQ(Ask(quick, 30, /*running=*/25 * ms), kAdmitted);
  rule.TakeBack(quick, t0 + 30 * ms);
  EXPECT_EQ(Ask(quick, 30, /*running=*/22.8 * ms), kHarmful);  // now it would be just in time
}

TEST_F(NewcomerTest, WherePredictionsAreNotKeptOthersGetMoreTime) {
  const int model = rule.AddModel({}, Linear(1));
  Push(model, {44});
  EXPECT_EQ(Ask(model, 34, /*running=*/20 * ms), kAdmitted);
  rule.TakeBack(model, t0 + 34 * ms);
  for (int i = 0; i < 10; ++i) rule.Answered(model, /*in_time=*/false, /*slack=*/1);
  EXPECT_EQ(Ask(model, 34, /*running=*/20 * ms), kHarmful);  // 40 ms, but it may take 44.5
}

TEST_F(NewcomerTest, ANewcomerThatMakesTheBatchNoLongerHarmsNobody) {
  const int model = rule.AddModel({}, Flat(4));
  Push(model, {33});
  EXPECT_EQ(Ask(model, 32, /*running=*/20 * ms), kAdmitted);
}

TEST_F(NewcomerTest, ANewcomerDoesNotMakeAnotherModelsItemLate) {
  const int urgent = rule.AddModel({}, Linear(4));
  const int other = rule.AddModel({}, Linear(4));
  Push(other, {40});
  EXPECT_EQ(Ask(urgent, 32, /*running=*/20 * ms), kHarmful);
}

// Who joins a batch must not make it so long that its most urgent one is late: else it is in the
// next one.
TEST_F(NewcomerTest, TheMostUrgentOneLimitsItsBatch) {
  const int model = rule.AddModel({}, CostModel({{1, 10 * ms}, {4, 16 * ms}}, 4));
  Push(model, {11.5, 60});
  EXPECT_EQ(FindIdle(model, 50).ahead, 10 * ms);
  EXPECT_EQ(FindIdle(model, 50).run, 12 * ms);
  EXPECT_EQ(Ask(model, 22, 0 * ms), Admission::Answer::kLate);
}

TEST_F(NewcomerTest, WhoAsksAgainMakesNoMoreLoad) {
  const int model = rule.AddModel({}, Linear(1));
  const auto overload_after = [&](bool retried) {
    for (int i = 0; i < 100; ++i) {
      const absl::Time now = t0 + i * 5 * ms;  // twice what the device can do
      rule.Ask({.model = model, .deadline = now + 5 * ms, .retried = retried}, {}, now);
      if (!retried) rule.Arrive(model, now + 99 * ms, now);
    }
    return rule.Find(model, t0 + 600 * ms, {}, t0 + 495 * ms).overload;
  };
  EXPECT_EQ(overload_after(/*retried=*/true), 1);
  EXPECT_GT(overload_after(/*retried=*/false), 1.9);
}

TEST_F(NewcomerTest, UnderOverloadTheModelsTakeTurnsAndABurstHasItsQueueToItself) {
  const int burst = rule.AddModel({}, Linear(1)), steady = rule.AddModel({}, Linear(1));
  const auto come = [&](int model, int gap_ms) {
    for (int t = 0; t < 1000; t += gap_ms) rule.Arrive(model, t0 + (t + 200) * ms, t0 + t * ms);
  };
  come(burst, 2);    // five times what the device can do
  come(steady, 50);  // a fifth of it
  const absl::Time now = t0 + 1000 * ms;
  for (int i = 0; i < 9; ++i) {
    ASSERT_EQ(rule.Push(burst, i, now + 100 * ms, now, /*admitted=*/true), std::nullopt);
  }
  const RunnerState busy{.sum = 4 * ms, .least = 4 * ms};
  // By deadlines all nine would go before it; so one, as both have had the same.
  EXPECT_EQ(rule.Find(steady, now + 150 * ms, busy, now).ahead, 10 * ms);
  // Nine of its own, and one of the steady model's that will have come by then.
  EXPECT_EQ(rule.Find(burst, now + 150 * ms, busy, now).ahead, 100 * ms);
}

}  // namespace
}  // namespace patchserve
