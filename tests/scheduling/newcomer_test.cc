#include "server/scheduling/newcomer.h"

#include "tests/scheduling/batch_rule_fixture.h"

namespace patchserve {
namespace {

class NewcomerTest : public BatchRuleTest {
 protected:
  Load Find(int model, double deadline, absl::Duration running, int idle = 0) const {
    return rule.Find(model, t0 + deadline * ms, running, idle, t0);
  }
};

TEST_F(NewcomerTest, ANewcomerFindsTheBatchesThatGoBeforeIt) {
  const int model = rule.AddModel({.max_queued = 9}, Flat(2));
  Push(model, {50, 60, 70});
  EXPECT_EQ(Find(model, 55, /*running=*/4 * ms).wait, 14 * ms);
  EXPECT_EQ(Find(model, 99, /*running=*/4 * ms).wait, 24 * ms);
  EXPECT_EQ(Find(model, 99, /*running=*/4 * ms).places, 3);
  EXPECT_EQ(Find(model, 99, /*running=*/4 * ms).max_places, 9);
}

TEST_F(NewcomerTest, ANewcomerFindsThoseThatAreBeingDecodedBeforeIt) {
  const int model = rule.AddModel({}, Linear(1));
  EXPECT_TRUE(Find(model, 99, absl::ZeroDuration(), /*idle=*/1).idle);
  rule.Expect(model, t0);
  EXPECT_FALSE(Find(model, 99, absl::ZeroDuration(), /*idle=*/1).idle);
  EXPECT_EQ(Find(model, 99, absl::ZeroDuration(), /*idle=*/1).wait, 10 * ms);
  rule.TakeBack(model);
  EXPECT_TRUE(Find(model, 99, absl::ZeroDuration(), /*idle=*/1).idle);
}

TEST_F(NewcomerTest, AFreeRunnerMeansNoWait) {
  const int model = rule.AddModel({}, Linear(1));
  EXPECT_EQ(Find(model, 99, /*running=*/30 * ms, /*idle=*/1).wait, absl::ZeroDuration());
}

TEST_F(NewcomerTest, ANewcomerFindsWhetherItWouldMakeOthersLate) {
  const int model = rule.AddModel({}, Linear(1));
  Push(model, {35, 90});  // a batch takes 10 ms, and nearly always less than 11
  EXPECT_FALSE(Find(model, 30, /*running=*/4 * ms).makes_others_late);
  EXPECT_TRUE(Find(model, 30, /*running=*/20 * ms).makes_others_late);
  EXPECT_FALSE(Find(model, 40, /*running=*/20 * ms).makes_others_late);  // it goes second
  EXPECT_FALSE(Find(model, 30, /*running=*/40 * ms).makes_others_late);  // it is late anyway
}

TEST_F(NewcomerTest, WhoIsLateByTheSafeTimesOnlyIsNotGivenUp) {
  const int model = rule.AddModel({}, Linear(1));
  Push(model, {41});
  EXPECT_TRUE(Find(model, 30, /*running=*/31 * ms).makes_others_late);   // 41 ms: just in time
  EXPECT_FALSE(Find(model, 30, /*running=*/32 * ms).makes_others_late);  // not any more
}

TEST_F(NewcomerTest, WherePredictionsAreNotKeptOthersGetMoreTime) {
  const int model = rule.AddModel({}, Linear(1));
  Push(model, {50});
  EXPECT_FALSE(Find(model, 30, /*running=*/20 * ms).makes_others_late);  // 40 ms, nearly always 44
  for (int i = 0; i < 10; ++i) rule.punctuality(model).Missed();
  EXPECT_TRUE(Find(model, 30, /*running=*/20 * ms).makes_others_late);
}

TEST_F(NewcomerTest, ANewcomerFindsWhetherItWouldMakeAnotherModelsItemLate) {
  const int urgent = rule.AddModel({}, Linear(4));
  const int other = rule.AddModel({}, Linear(4));
  Push(other, {40});
  EXPECT_FALSE(Find(urgent, 30, /*running=*/10 * ms).makes_others_late);
  EXPECT_TRUE(Find(urgent, 30, /*running=*/20 * ms).makes_others_late);
  EXPECT_FALSE(Find(urgent, 45, /*running=*/20 * ms).makes_others_late);  // it goes second
}

TEST_F(NewcomerTest, OnlyModelsThatSomethingCameForOfLateShareTheDevice) {
  const int a = rule.AddModel({}, Flat(2));
  const int b = rule.AddModel({}, Flat(2));
  EXPECT_EQ(Find(a, 50, 4 * ms).models, 1);
  rule.Expect(b, t0);
  EXPECT_EQ(Find(a, 50, 4 * ms).models, 2);
  EXPECT_EQ(rule.Find(a, t0 + absl::Minutes(1), 4 * ms, 0, t0 + absl::Seconds(30)).models, 1);
}

TEST_F(NewcomerTest, ANewcomerFindsHowMuchOfAnothersWaitingTimeItsModelFills) {
  const int burst = rule.AddModel({}, Linear(4));
  const int other = rule.AddModel({}, Linear(4));
  rule.Expect(other, t0);
  Push(other, {51});  // 11 ms of them a run that is sure to be in time: 40 ms to wait
  Push(burst, {30, 40, 300});
  EXPECT_DOUBLE_EQ(Find(burst, 20, 4 * ms).crowding, 0.75);  // itself included
  EXPECT_DOUBLE_EQ(Find(burst, 90, 4 * ms).crowding, 0);     // it goes after them
}

TEST_F(NewcomerTest, ARemovedModelHasNoPartInTheDevice) {
  const int a = rule.AddModel({}, Flat(4)), b = rule.AddModel({}, Flat(4));
  rule.Expect(b, t0);
  rule.TakeBack(b);
  EXPECT_EQ(Find(a, 100, 0 * ms).models, 2);
  rule.RemoveModel(b);
  EXPECT_EQ(Find(a, 100, 0 * ms).models, 1);
}

}  // namespace
}  // namespace patchserve
