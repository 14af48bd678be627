#include "server/base/line_limit.h"

#include <gtest/gtest.h>

namespace patchserve {
namespace {

TEST(LineLimitTest, SoManyLinesASecondAndTheNextSaysHowManyWereLeftOut) {
  const absl::Time start = absl::UnixEpoch();
  LineLimit limit(2);
  EXPECT_EQ(limit.Take(start), 0);
  EXPECT_EQ(limit.Take(start), 0);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(limit.Take(start), std::nullopt);
  EXPECT_EQ(limit.Take(start + absl::Seconds(1)), 1000);
  EXPECT_EQ(limit.Take(start + absl::Seconds(1)), 0);
  EXPECT_EQ(limit.Take(start + absl::Seconds(1)), std::nullopt);
}

TEST(LineLimitTest, AClockThatIsSetBackStopsNothing) {
  LineLimit limit(1);
  EXPECT_EQ(limit.Take(absl::UnixEpoch() + absl::Hours(1)), 0);
  EXPECT_EQ(limit.Take(absl::UnixEpoch()), 0);
}

}  // namespace
}  // namespace patchserve
