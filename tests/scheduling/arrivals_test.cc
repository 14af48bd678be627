#include "server/scheduling/arrivals.h"

#include <gtest/gtest.h>

namespace patchserve {
namespace {

constexpr absl::Duration ms = absl::Milliseconds(1);
const absl::Time t0 = absl::UnixEpoch();

// Every 10 ms one, with these budgets in turn.
Arrivals EveryTenMs(std::initializer_list<int> budgets_ms) {
  Arrivals arrivals;
  absl::Time now = t0;
  for (int i = 0; i < 32; ++i) {
    for (int budget : budgets_ms) arrivals.Add(now += 10 * ms, budget * ms);
  }
  return arrivals;
}
absl::Time End(size_t budgets) { return t0 + 32.0 * budgets * 10 * ms; }

TEST(ArrivalsTest, NothingIsExpectedWhileTooLittleIsKnown) {
  Arrivals arrivals;
  for (int i = 0; i < 9; ++i) arrivals.Add(t0 + i * ms, ms);
  EXPECT_EQ(arrivals.Expected(t0 + 9 * ms, absl::Seconds(1)), 0);
}

TEST(ArrivalsTest, AsManyAreExpectedAsCameOfLate) {
  EXPECT_NEAR(EveryTenMs({100}).Expected(End(1), absl::Seconds(1)), 100, 1e-6);
}

TEST(ArrivalsTest, ALongPauseLowersWhatIsExpectedAndAnOrdinaryOneDoesNot) {
  EXPECT_NEAR(EveryTenMs({100}).Expected(End(1) + 200 * ms, absl::Seconds(1)), 25, 1e-6);
  EXPECT_NEAR(EveryTenMs({100}).Expected(End(1) + 40 * ms, absl::Seconds(1)), 100, 1e-6);
}

TEST(ArrivalsTest, LateAreThoseWhoComeTooEarlyInARunForTheTimeTheyBring) {
  const Arrivals arrivals = EveryTenMs({50});
  // Of a run of 60 ms and 20 more, 30 are too much: who comes in the first 30 is late.
  EXPECT_NEAR(arrivals.Late(End(1), 60 * ms, 20 * ms), 3, 1e-6);
  EXPECT_EQ(arrivals.Late(End(1), 30 * ms, 20 * ms), 0);
  EXPECT_NEAR(arrivals.Late(End(1), 20 * ms, 90 * ms), 2, 1e-6);  // all who come in it
}

TEST(ArrivalsTest, FewWithLittleTimeAreSeenAmongManyWithMuch) {
  EXPECT_NEAR(EveryTenMs({50, 90'000, 90'000, 90'000}).Late(End(4), 60 * ms, 20 * ms), 0.75, 1e-6);
}

TEST(ArrivalsTest, ThePatientAreNotHurried) {
  const Arrivals arrivals = EveryTenMs({50, 90'000});
  EXPECT_NEAR(arrivals.Hurried(End(2), absl::Seconds(1), absl::Seconds(1)), 50, 1e-6);
}

}  // namespace
}  // namespace patchserve
