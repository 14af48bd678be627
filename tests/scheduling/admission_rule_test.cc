#include "server/scheduling/admission_rule.h"

#include <gtest/gtest.h>

namespace patchserve {
namespace {

using Answer = Admission::Answer;

const absl::Duration ms = absl::Milliseconds(1);

// A run takes 10 ms, and 10 places are free.
class AdmissionRuleTest : public ::testing::Test {
 protected:
  Answer Ask(absl::Duration budget, Criticality criticality = Criticality::kCritical,
             absl::Duration decode_wait = absl::ZeroDuration(),
             absl::Duration decode = absl::ZeroDuration()) const {
    return Admit(load, criticality, budget, decode_wait, decode).answer;
  }

  Load load{.max_places = 10, .run = 10 * ms};
};

TEST_F(AdmissionRuleTest, WhoCanBeInTimeIsTakenIn) {
  load.wait = 20 * ms;
  EXPECT_EQ(Ask(30 * ms), Answer::kAdmitted);
  EXPECT_EQ(Ask(29 * ms), Answer::kLate);
}

TEST_F(AdmissionRuleTest, WherePredictionsAreNotKeptMoreTimeIsLeft) {
  load.wait = 20 * ms;
  load.slip = 1.5;
  EXPECT_EQ(Ask(45 * ms), Answer::kAdmitted);
  EXPECT_EQ(Ask(44 * ms), Answer::kLate);
}

TEST_F(AdmissionRuleTest, DecodingGoesOnWhileOthersRun) {
  load.wait = 20 * ms;
  EXPECT_EQ(Ask(30 * ms, Criticality::kCritical, /*decode_wait=*/20 * ms), Answer::kAdmitted);
  EXPECT_EQ(Ask(30 * ms, Criticality::kCritical, /*decode_wait=*/21 * ms), Answer::kLate);
  EXPECT_EQ(Ask(35 * ms, Criticality::kCritical, 20 * ms, /*decode=*/5 * ms), Answer::kAdmitted);
  EXPECT_EQ(Ask(35 * ms, Criticality::kCritical, 20 * ms, /*decode=*/6 * ms), Answer::kLate);
}

TEST_F(AdmissionRuleTest, AnIdleDeviceTakesWhoeverComes) {
  load.idle = true;
  EXPECT_EQ(Ask(1 * ms), Answer::kAdmitted);
}

TEST_F(AdmissionRuleTest, TheLowerTheLevelTheLessItMayWait) {
  load.wait = 50 * ms;
  EXPECT_EQ(Ask(110 * ms, Criticality::kSheddable), Answer::kAdmitted);
  EXPECT_EQ(Ask(109 * ms, Criticality::kSheddable), Answer::kLate);
  load.wait = 90 * ms;
  EXPECT_EQ(Ask(110 * ms, Criticality::kDefault), Answer::kAdmitted);
  EXPECT_EQ(Ask(109 * ms, Criticality::kDefault), Answer::kLate);
  EXPECT_EQ(Ask(109 * ms, Criticality::kCritical), Answer::kAdmitted);
}

TEST_F(AdmissionRuleTest, AnIdleServerServesEveryLevelWithinTightDeadlines) {
  EXPECT_EQ(Ask(10 * ms, Criticality::kSheddable), Answer::kAdmitted);
}

TEST_F(AdmissionRuleTest, TheLastPlacesAreForTheHigherLevels) {
  load.places = 5;
  EXPECT_EQ(Ask(99 * ms, Criticality::kSheddable), Answer::kNoPlace);
  EXPECT_EQ(Ask(99 * ms, Criticality::kDefault), Answer::kAdmitted);
  load.places = 9;
  EXPECT_EQ(Ask(99 * ms, Criticality::kDefault), Answer::kNoPlace);
  EXPECT_EQ(Ask(99 * ms, Criticality::kCritical), Answer::kAdmitted);
  load.places = 10;
  EXPECT_EQ(Ask(99 * ms, Criticality::kCritical), Answer::kNoPlace);
}

TEST_F(AdmissionRuleTest, WhoWasTakenInIsNotMadeLateByANewcomerUnlessItIsCritical) {
  load.makes_others_late = true;
  EXPECT_EQ(Ask(99 * ms, Criticality::kDefault), Answer::kHarmful);
  EXPECT_EQ(Ask(99 * ms, Criticality::kCritical), Answer::kAdmitted);
}

TEST_F(AdmissionRuleTest, AModelThatSharesTheDeviceFillsNoMoreThanItsPart) {
  load.models = 2;
  load.wait = load.own = 45 * ms;
  EXPECT_EQ(Ask(100 * ms), Answer::kAdmitted);
  load.wait = load.own = 46 * ms;
  EXPECT_EQ(Ask(100 * ms), Answer::kNoShare);
  load.own = 0 * ms;  // the others' work
  EXPECT_EQ(Ask(100 * ms), Answer::kAdmitted);
  load.crowding = 0.6;
  EXPECT_EQ(Ask(100 * ms), Answer::kNoShare);
}

}  // namespace
}  // namespace patchserve
