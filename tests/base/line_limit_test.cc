#include "server/base/line_limit.h"

#include <gtest/gtest.h>

namespace patchserve {
namespace {

TEST(LineLimitTest, AFloodShowsTheFirstLinesAndThenHowManyThereWere) {
  LineLimit limit;
  const absl::Time start = absl::FromUnixSeconds(1);
  for (int i = 0; i < LineLimit::kShown; ++i) EXPECT_EQ(limit.Show(start), 0);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(limit.Show(start + absl::Seconds(1)), std::nullopt);
  EXPECT_EQ(limit.Show(start + LineLimit::kEvery), 1000);
  EXPECT_EQ(limit.Show(start + LineLimit::kEvery), 0);
}

TEST(LineLimitTest, LinesThatComeSlowlyAreAllShown) {
  LineLimit limit;
  absl::Time now = absl::FromUnixSeconds(1);
  for (int i = 0; i < 100; ++i, now += absl::Seconds(5)) EXPECT_EQ(limit.Show(now), 0);
}

}  // namespace
}  // namespace patchserve
