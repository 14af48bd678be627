#include "server/base/proto_duration.h"

#include <gtest/gtest.h>

namespace patchserve {
namespace {

TEST(ProtoDurationTest, SecondsAndNanosecondsHaveTheSameSign) {
  EXPECT_EQ(ToProto(absl::Milliseconds(2300)).seconds(), 2);
  EXPECT_EQ(ToProto(absl::Milliseconds(2300)).nanos(), 300'000'000);
  EXPECT_EQ(ToProto(absl::Milliseconds(-2300)).seconds(), -2);
  EXPECT_EQ(ToProto(absl::Milliseconds(-2300)).nanos(), -300'000'000);
}

TEST(ProtoDurationTest, ThereAndBackIsTheSame) {
  for (const absl::Duration duration :
       {absl::ZeroDuration(), absl::Nanoseconds(1), absl::Hours(24 * 365 * 1000)}) {
    EXPECT_EQ(ToAbsl(ToProto(duration)), duration);
  }
}

}  // namespace
}  // namespace patchserve
