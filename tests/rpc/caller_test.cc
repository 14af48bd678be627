#include "server/rpc/caller.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace patchserve {
namespace {

TEST(CallerTest, ADeadlineIsAsFarAwayOnTheServersClock) {
  const absl::Time now = absl::FromUnixSeconds(100);
  const gpr_timespec deadline =
      gpr_time_add(gpr_now(GPR_CLOCK_REALTIME), gpr_time_from_hours(1, GPR_TIMESPAN));
  EXPECT_GT(TimeOf(deadline, now), now + absl::Minutes(59));
  EXPECT_LE(TimeOf(deadline, now), now + absl::Hours(1));
}

TEST(CallerTest, ADeadlineInCenturiesIsNone) {
  // 2262 is where nanoseconds since 1970 end in 64 bits.
  for (const int64_t hours : {int64_t{2'069'000}, int64_t{2'562'047}, int64_t{99'999'999}}) {
    for (const gpr_clock_type clock : {GPR_CLOCK_MONOTONIC, GPR_CLOCK_REALTIME}) {
      const gpr_timespec deadline =
          gpr_time_add(gpr_now(clock), gpr_time_from_hours(hours, GPR_TIMESPAN));
      EXPECT_EQ(TimeOf(deadline), absl::InfiniteFuture()) << hours;
    }
  }
  EXPECT_EQ(TimeOf(gpr_inf_future(GPR_CLOCK_MONOTONIC)), absl::InfiniteFuture());
}

TEST(CallerTest, ADeadlineThatHasPassedIsInThePast) {
  EXPECT_LT(TimeOf(gpr_time_0(GPR_CLOCK_REALTIME)), SteadyNow());
}

}  // namespace
}  // namespace patchserve
