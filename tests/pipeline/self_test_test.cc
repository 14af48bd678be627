#include "server/pipeline/self_test.h"

#include <gmock/gmock.h>

#include <map>
#include <utility>

#include "server/pipeline/batch_buckets.h"
#include "tests/pipeline/fake_model.h"

namespace patchserve {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::Key;
using ::testing::Le;
using ::testing::Pair;

constexpr absl::Duration kNoLimit = absl::InfiniteDuration();

class SelfTestTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::vector<CostModel::Sample>> Warm(int runner_count = 1,
                                                      absl::Duration longest = kNoLimit,
                                                      bool every_bucket = true,
                                                      bool while_it_pays = false) {
    const Runners runners{runner_count,
                          [this](int runner, absl::Duration expected, std::function<void()> work) {
                            if (no_runner) return false;
                            on = runner;
                            this->expected.push_back(expected);
                            work();
                            return true;
                          },
                          [this](int cores, const std::function<void()>& work) {
                            this->cores = cores;
                            work();
                            this->cores = 1;
                          }};
    fake.fail = [this](int size) {
      if (cores > 1) {
        ++alone[{cores, size}];
      } else {
        ++runs[{on, size}];
        order.push_back({on, size});
      }
      return forward(size);
    };
    return WarmUpAndTest(
        *model, runners,
        {.every = every_bucket, .while_it_pays = while_it_pays, .longest = longest}, cancelled,
        [this] { return now; });
  }

  // The sizes in the order in which they ran first.
  std::vector<int> Sizes() const {
    std::vector<int> sizes;
    for (const auto& [runner, size] : order) {
      if (std::find(sizes.begin(), sizes.end(), size) == sizes.end()) sizes.push_back(size);
    }
    return sizes;
  }

  FakeModel fake;
  std::shared_ptr<ServedModel> model = fake.Served("a");  // buckets 1, 2, 4
  std::function<absl::Status(int)> forward = [](int) { return absl::OkStatus(); };
  std::atomic<bool> cancelled = false;
  // A run takes this long.
  void Spend(absl::Duration time) { now += time; }

  bool no_runner = false;
  absl::Time now = absl::UnixEpoch();
  int cores = 1;                             // that it has
  std::map<std::pair<int, int>, int> alone;  // by cores, where they are more than one, and size
  int on = -1;                               // the runner that runs
  std::vector<absl::Duration> expected;      // how long each run was said to take
  std::map<std::pair<int, int>, int> runs;   // by runner and size
  std::vector<std::pair<int, int>> order;    // runner and size
};

TEST_F(SelfTestTest, OnePhotoRunsOnSeveralCoresTooWhichIsNotWhatItTakes) {
  model->cores_of_lone = 4;
  forward = [this](int) {
    Spend(absl::Milliseconds(cores > 1 ? 1 : 10));
    return absl::OkStatus();
  };
  const auto measured = Warm();
  ASSERT_TRUE(measured.ok()) << measured.status();
  EXPECT_THAT(alone, ElementsAre(Pair(Pair(2, 1), 3), Pair(Pair(4, 1), 3)));
  EXPECT_EQ(measured->front().took, absl::Milliseconds(10));
}

TEST_F(SelfTestTest, EveryBucketRunsOnEveryRunnerThreeTimesAtLeastAndTwentyAtMost) {
  const auto measured = Warm(/*runner_count=*/2);
  ASSERT_TRUE(measured.ok()) << measured.status();
  EXPECT_THAT(runs, ElementsAre(Key(Pair(0, 1)), Key(Pair(0, 2)), Key(Pair(0, 4)), Key(Pair(1, 1)),
                                Key(Pair(1, 2)), Key(Pair(1, 4))));
  EXPECT_THAT(runs, Each(Pair(::testing::_, AllOf(Ge(3), Le(20)))));
  ASSERT_EQ(measured->size(), 3);
  EXPECT_EQ((*measured)[1].bucket, 2);
  EXPECT_EQ((*measured)[2].bucket, 4);
  EXPECT_EQ(fake.buckets(), fake.batch_sizes());  // full
}

TEST_F(SelfTestTest, TheFirstUseOfABucketOnARunnerIsNotItsCost) {
  forward = [this](int size) {
    const bool first = runs[{on, size}] == 1;
    Spend((first ? 50 : 1) * absl::Microseconds(400));
    return absl::OkStatus();
  };
  const auto measured = Warm(/*runner_count=*/2);
  ASSERT_TRUE(measured.ok()) << measured.status();
  for (const CostModel::Sample& sample : *measured) {
    EXPECT_EQ(sample.took, absl::Microseconds(400)) << sample.bucket;
  }
}

TEST_F(SelfTestTest, ABucketRunsUntilItsTimeHasSettled) {
  forward = [this](int size) {  // each run takes half as long as the one before, ten times over
    Spend(absl::Milliseconds(10) / (1 << std::min(runs[{on, size}], 10)));
    return absl::OkStatus();
  };
  model->buckets = {1};
  const auto measured = Warm();
  ASSERT_TRUE(measured.ok()) << measured.status();
  EXPECT_EQ((runs[{0, 1}]), 11);  // the first two alike
  EXPECT_EQ(measured->front().took, absl::Milliseconds(10) / 1024);
}

TEST_F(SelfTestTest, ABucketThatNeverSettlesRunsTwentyTimes) {
  model->buckets = {1};
  forward = [this](int) {  // each run takes three times as long as the other kind
    Spend((runs[{on, 1}] % 2 == 0 ? 1 : 10) * absl::Microseconds(500));
    return absl::OkStatus();
  };
  ASSERT_TRUE(Warm().ok());
  EXPECT_EQ((runs[{0, 1}]), 20);
}

TEST_F(SelfTestTest, WhereNoSizeHasAFirstUseOnlyDoublingsAndTheLargestRun) {
  model->buckets = {1, 2, 3, 4, 5, 6, 7};
  ASSERT_TRUE(Warm(1, kNoLimit, /*every_bucket=*/false).ok());
  EXPECT_THAT(Sizes(), ElementsAre(1, 2, 4, 7));
}

TEST_F(SelfTestTest, ALoneImageRunsWhateverItTakesAndLargerBatchesWhileTheyAreShort) {
  forward = [this](int size) {
    Spend(size * absl::Milliseconds(1));
    return absl::OkStatus();
  };
  const auto measured = Warm(1, /*longest=*/absl::ZeroDuration());
  ASSERT_TRUE(measured.ok()) << measured.status();
  EXPECT_THAT(Sizes(), ElementsAre(1));
  EXPECT_EQ(measured->size(), 1);
}

TEST_F(SelfTestTest, ARunnerIsToldHowLongItWillBeKept) {
  forward = [this](int size) {
    Spend(size * absl::Milliseconds(1));
    return absl::OkStatus();
  };
  ASSERT_TRUE(Warm(1, /*longest=*/absl::Milliseconds(100)).ok());
  const absl::Duration ms = absl::Milliseconds(1);
  // Of the first nothing is known; then it is what the run before took, or a smaller bucket.
  EXPECT_THAT(expected,
              ElementsAre(100 * ms, ms, ms, 2 * ms, 2 * ms, 2 * ms, 4 * ms, 4 * ms, 4 * ms));
}

TEST_F(SelfTestTest, BucketsThatFindNoMemoryAreLeftOut) {
  forward = [](int size) {
    return size == 4 ? absl::ResourceExhaustedError("out of memory") : absl::OkStatus();
  };
  const auto measured = Warm(/*runner_count=*/2);
  ASSERT_TRUE(measured.ok()) << measured.status();
  ASSERT_EQ(measured->size(), 2);
  EXPECT_EQ(measured->back().bucket, 2);
}

TEST_F(SelfTestTest, AModelThatFindsNoMemoryForOneImageFails) {
  forward = [](int) { return absl::ResourceExhaustedError("out of memory"); };
  EXPECT_TRUE(absl::IsResourceExhausted(Warm().status()));
}

TEST_F(SelfTestTest, BucketsAreRunWhileTheyLowerTheTimeAnImage) {
  model->buckets = {1, 2, 4, 8, 16, 32, 64};
  forward = [this](int size) {  // 4 ms for four images; from there on in proportion
    Spend(absl::Milliseconds(1) * std::max(size, 4));
    return absl::OkStatus();
  };
  const auto measured = Warm(1, kNoLimit, /*every_bucket=*/true, /*while_it_pays=*/true);
  ASSERT_TRUE(measured.ok()) << measured.status();
  EXPECT_EQ(measured->back().bucket, 4);
  EXPECT_THAT(Sizes(), ElementsAre(1, 2, 4, 8, 16));
}

TEST(LargestThatPaysTest, ThreePercentLessAnImageThanTheLargestThatPaidIsEnough) {
  const auto largest = [](const std::vector<std::pair<int, double>>& ms) {
    std::vector<CostModel::Sample> measured;
    for (const auto& [bucket, took] : ms) measured.push_back({bucket, absl::Milliseconds(took)});
    return LargestThatPays(measured);
  };
  EXPECT_EQ(largest({{1, 1}}), 1);
  EXPECT_EQ(largest({{1, 1}, {2, 1}, {4, 1}}), 4);
  EXPECT_EQ(largest({{1, 1}, {2, 1.95}, {4, 3.8}}), 4);  // 2.5 %, and 2.5 % more
  EXPECT_EQ(largest({{64, 64}, {96, 94.1}, {128, 123}}), 128);
  EXPECT_EQ(largest({{64, 64}, {96, 95}, {128, 127}}), 64);
  EXPECT_EQ(largest({{16, 16}, {24, 30}, {32, 20}, {48, 50}}), 32);  // 24 is slower than both
}

TEST_F(SelfTestTest, AnErrorOfTheModelIsTheAnswer) {
  forward = [](int size) {
    return size == 2 ? absl::InvalidArgumentError("not two") : absl::OkStatus();
  };
  EXPECT_EQ(Warm().status().message(), "not two");
}

TEST_F(SelfTestTest, ItGivesUpWhenCancelled) {
  cancelled = true;
  EXPECT_TRUE(absl::IsCancelled(Warm().status()));
  EXPECT_TRUE(runs.empty());
}

TEST_F(SelfTestTest, ItStopsBetweenTwoBatches) {
  forward = [this](int size) {
    cancelled = size == 2;
    return absl::OkStatus();
  };
  EXPECT_TRUE(absl::IsCancelled(Warm().status()));
  EXPECT_THAT(Sizes(), ElementsAre(1, 2));
  EXPECT_EQ((runs[{0, 2}]), 1);
}

TEST_F(SelfTestTest, ItGivesUpWhereThereIsNoRunner) {
  no_runner = true;
  EXPECT_TRUE(absl::IsCancelled(Warm().status()));
  EXPECT_TRUE(runs.empty());
}

}  // namespace
}  // namespace patchserve
