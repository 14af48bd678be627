#include "server/pipeline/budget.h"

#include <gtest/gtest.h>

namespace patchserve {
namespace {

TEST(BudgetTest, GivesNoMoreThanTheLimit) {
  Budget budget(100);
  const Hold first = budget.Take(60);
  EXPECT_TRUE(first);
  EXPECT_FALSE(budget.Take(41));
  EXPECT_TRUE(budget.Take(40));
  EXPECT_EQ(budget.used(), 60);  // the second hold is gone already
}

TEST(BudgetTest, AReleasedHoldIsFreeForOthersOnce) {
  Budget budget(100);
  Hold hold = budget.Take(100);
  Hold moved = std::move(hold);
  hold.Release();  // NOLINT(bugprone-use-after-move): it has nothing to give back
  EXPECT_EQ(budget.used(), 100);
  moved.Release();
  moved.Release();
  EXPECT_EQ(budget.used(), 0);
}

TEST(BudgetTest, AShareLeavesTheRestToOthers) {
  Budget budget(100);
  const Hold some = budget.Take(10);
  EXPECT_FALSE(budget.Take(41, 0.5));
  EXPECT_TRUE(budget.Take(41, 1));
}

TEST(BudgetTest, AloneAnythingFits) {
  Budget budget(100);
  EXPECT_TRUE(budget.Take(1000, 0.5));
}

}  // namespace
}  // namespace patchserve
