#include "server/base/usable_cores.h"

#include <gtest/gtest.h>

#include <thread>

namespace patchserve {
namespace {

TEST(UsableCoresTest, ThereIsSomethingToRunOn) {
  EXPECT_GT(UsableCores(), 0);
  EXPECT_LE(UsableCores(), std::thread::hardware_concurrency());
}

TEST(UsableCoresTest, AQuotaIsInCoresAndNoneIsNone) {
  EXPECT_EQ(CgroupQuota("150000 100000\n"), 1.5);
  EXPECT_EQ(CgroupQuota("max 100000"), std::nullopt);
  EXPECT_EQ(CgroupQuota("-1 100000"), std::nullopt);
  EXPECT_EQ(CgroupQuota(""), std::nullopt);
}

}  // namespace
}  // namespace patchserve
