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
  load.running = 5 * ms;
  load.ahead = 15 * ms;
  EXPECT_EQ(Ask(30 * ms), Answer::kAdmitted);
  EXPECT_EQ(Ask(29 * ms), Answer::kLate);
  const Admission admission = Admit(load, Criticality::kDefault, 99 * ms, 0 * ms, 3 * ms);
  EXPECT_EQ(admission.wait, 20 * ms);
}

TEST_F(AdmissionRuleTest, PredictionsThatMayNotBeKeptNeedAMargin) {
  load.running = 5 * ms;
  load.ahead = 20 * ms;
  load.deviation = 2 * ms;
  load.margin = 1.5;
  EXPECT_EQ(Ask(37 * ms), Answer::kLate);
  const Admission admission = Admit(load, Criticality::kCritical, 40 * ms, 0 * ms, 0 * ms);
  EXPECT_EQ(admission.answer, Answer::kAdmitted);
  EXPECT_EQ(admission.slack, 2.5);  // in all it should take 35 ms
}

TEST_F(AdmissionRuleTest, TheMoreComeTheLaterTheRefusedShouldComeAgain) {
  load.running = 20 * ms;
  EXPECT_EQ(Admit(load, Criticality::kDefault, 25 * ms, 0 * ms, 0 * ms).retry_after, 20 * ms);
  load.overload = 4;
  EXPECT_EQ(Admit(load, Criticality::kDefault, 25 * ms, 0 * ms, 0 * ms).retry_after, 80 * ms);
}

TEST_F(AdmissionRuleTest, DecodingGoesOnWhileOthersRun) {
  load.running = 20 * ms;
  EXPECT_EQ(Ask(30 * ms, Criticality::kCritical, /*decode_wait=*/20 * ms), Answer::kAdmitted);
  EXPECT_EQ(Ask(30 * ms, Criticality::kCritical, /*decode_wait=*/21 * ms), Answer::kLate);
  EXPECT_EQ(Ask(35 * ms, Criticality::kCritical, 20 * ms, /*decode=*/5 * ms), Answer::kAdmitted);
  EXPECT_EQ(Ask(35 * ms, Criticality::kCritical, 20 * ms, /*decode=*/6 * ms), Answer::kLate);
}

TEST_F(AdmissionRuleTest, AnIdleDeviceTakesWhoeverMayBeInTime) {
  load.idle = true;
  load.least = 5 * ms;
  load.deviation = 1 * ms;
  load.margin = 2;
  EXPECT_EQ(Ask(5 * ms), Answer::kAdmitted);
  EXPECT_EQ(Ask(4 * ms), Answer::kLate);
  // So it says nothing of the margin.
  EXPECT_EQ(Admit(load, Criticality::kDefault, 20 * ms, 0 * ms, 0 * ms).slack,
            std::numeric_limits<double>::infinity());
}

TEST_F(AdmissionRuleTest, TheLowerTheLevelTheLessItMayWait) {
  load.ahead = 50 * ms;
  EXPECT_EQ(Ask(110 * ms, Criticality::kSheddable), Answer::kAdmitted);
  EXPECT_EQ(Ask(109 * ms, Criticality::kSheddable), Answer::kLate);
  load.ahead = 90 * ms;
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

TEST_F(AdmissionRuleTest, WhatItMustWaitInAnyCaseNeedsNoRoom) {
  load.running = 90 * ms;
  EXPECT_EQ(Ask(100 * ms, Criticality::kSheddable), Answer::kAdmitted);
}

}  // namespace
}  // namespace patchserve
