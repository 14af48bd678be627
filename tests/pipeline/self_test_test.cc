#include "server/pipeline/self_test.h"

#include <gmock/gmock.h>

#include "tests/pipeline/fake_model.h"

namespace patchserve {
namespace {

using ::testing::ElementsAre;

bool RunHere(absl::Duration, std::function<void()> work) {
  work();
  return true;
}

constexpr absl::Duration kNoLimit = absl::InfiniteDuration();

TEST(SelfTestTest, EverySizeRunsTwiceAndIsMeasured) {
  FakeModel fake;
  const auto measured = WarmUpAndTest(*fake.Served("a"), RunHere, kNoLimit, /*cancelled=*/false);
  ASSERT_TRUE(measured.ok()) << measured.status();
  EXPECT_THAT(fake.batch_sizes(), ElementsAre(1, 1, 2, 2, 4, 4));
  EXPECT_EQ(measured->size(), 3);
  EXPECT_EQ(measured->back().size, 4);
}

TEST(SelfTestTest, ALoneImageRunsWhateverItTakesAndLargerBatchesWhileTheyAreShort) {
  FakeModel fake;
  const auto measured = WarmUpAndTest(*fake.Served("a"), RunHere, absl::ZeroDuration(), false);
  ASSERT_TRUE(measured.ok()) << measured.status();
  EXPECT_THAT(fake.batch_sizes(), ElementsAre(1, 1));
  EXPECT_EQ(measured->size(), 1);
}

TEST(SelfTestTest, AnErrorOfTheModelIsTheAnswer) {
  FakeModel fake;
  fake.fail = [](int size) {
    return size == 2 ? absl::InvalidArgumentError("not two") : absl::OkStatus();
  };
  EXPECT_EQ(WarmUpAndTest(*fake.Served("a"), RunHere, kNoLimit, false).status().message(),
            "not two");
}

TEST(SelfTestTest, ItGivesUpWhenCancelledAndWhereThereIsNoRunner) {
  FakeModel fake;
  const auto no_runner = [](absl::Duration, std::function<void()>) { return false; };
  EXPECT_TRUE(
      absl::IsCancelled(WarmUpAndTest(*fake.Served("a"), RunHere, kNoLimit, true).status()));
  EXPECT_TRUE(
      absl::IsCancelled(WarmUpAndTest(*fake.Served("a"), no_runner, kNoLimit, false).status()));
  EXPECT_TRUE(fake.batch_sizes().empty());
}

}  // namespace
}  // namespace patchserve
