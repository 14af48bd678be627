#include "server/rpc/caller.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace patchserve {
namespace {

TEST(CallerTest, ADeadlineIsThatSecondAndNanosecond) {
  EXPECT_EQ(TimeOf({.tv_sec = 2'000'000'000, .tv_nsec = 7, .clock_type = GPR_CLOCK_REALTIME}),
            absl::FromUnixSeconds(2'000'000'000) + absl::Nanoseconds(7));
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
  EXPECT_LT(TimeOf(gpr_time_0(GPR_CLOCK_REALTIME)), absl::FromUnixSeconds(1));
}

}  // namespace
}  // namespace patchserve
