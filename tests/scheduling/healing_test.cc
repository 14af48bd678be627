// Whatever a model's costs start from, within a second of load they lead to the right batches.
#include <gmock/gmock.h>

#include <cmath>
#include <random>
#include <string>

#include "tests/scheduling/virtual_device.h"

namespace patchserve {
namespace {

const std::vector<int> kGpu = {1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128};
const std::vector<int> kCpu = {1, 2, 3, 4, 5, 6, 7, 8};

// vit_tiny on an H100: 2.7 ms for one image, 7.2 ms for 128.
absl::Duration VitTiny(int bucket) { return 2.7 * ms + (bucket - 1) * (4.5 / 127) * ms; }

// Images in the second after the first, while always so many requests wait as are admitted, up to
// `waiting`.
double Throughput(CostModel cost, const Curve& truth, int waiting,
                  const Scheduler::Options& options = {}, absl::Duration budget = absl::Hours(1)) {
  VirtualDevice device(options);
  const int model = device.Add(std::move(cost), truth);
  const auto fill = [&] {
    while (device.queue(model).waiting() < waiting) {
      if (device.Admit(model, device.now + budget).ticket < 0) break;
    }
  };
  device.changed = fill;
  fill();
  device.Run(t0 + absl::Seconds(2));
  const absl::Time begin = t0 + absl::Seconds(1);
  double images = 0;
  for (const VirtualDevice::Ran& batch : device.batches) {
    const absl::Duration within = std::min(batch.end, device.now) - std::max(batch.start, begin);
    images += batch.images * std::max(0.0, absl::FDivDuration(within, batch.end - batch.start));
  }
  return images;
}

struct Case {
  std::string name;
  std::vector<int> buckets;
  Curve truth;
  Scheduler::Options device = {};
};
std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.name; }

class HealingTest : public ::testing::TestWithParam<Case> {};

TEST_P(HealingTest, CostsThatAreWrongByFactorsOfUpToAHundredHealWithinASecond) {
  const auto& [name, buckets, truth, device] = GetParam();
  std::mt19937 random(7);
  std::uniform_real_distribution<double> exponent(-2, 2);
  for (int waiting : {200, 20, 3}) {
    const double best = Throughput(Known(buckets, truth), truth, waiting, device);
    for (int trial = 0; trial < 30; ++trial) {
      std::vector<CostModel::Sample> measured = Measured(buckets, truth);
      for (CostModel::Sample& sample : measured) sample.took *= std::pow(10, exponent(random));
      EXPECT_GE(Throughput(CostModel(buckets, measured), truth, waiting, device), 0.9 * best)
          << waiting << " waiting, trial " << trial;
    }
  }
}

TEST_P(HealingTest, CostsHealWhereRunsOfABucketDifferByATenth) {
  const auto& [name, buckets, truth, device] = GetParam();
  std::mt19937 random(7);
  std::uniform_real_distribution<double> exponent(-2, 2), noise(0.9, 1.1);
  const Curve noisy = [&, &truth = truth](int bucket) { return noise(random) * truth(bucket); };
  const double best = Throughput(Known(buckets, truth), noisy, /*waiting=*/200, device);
  for (int trial = 0; trial < 10; ++trial) {
    std::vector<CostModel::Sample> measured = Measured(buckets, truth);
    for (CostModel::Sample& sample : measured) sample.took *= std::pow(10, exponent(random));
    EXPECT_GE(Throughput(CostModel(buckets, measured), noisy, 200, device), 0.9 * best);
  }
}

const Scheduler::Options kTwoStreams = {.runners = 2, .shared_device = true};

INSTANTIATE_TEST_SUITE_P(
    Curves, HealingTest,
    ::testing::Values(Case{"Flat", kGpu, Flat(40 * ms)}, Case{"Linear", kCpu, Linear(2 * ms)},
                      Case{"LinearOnTwoCores", kCpu, Linear(10 * ms), {.runners = 2}},
                      Case{"LinearOnAGpu", kGpu, Linear(ms)}, Case{"VitTiny", kGpu, VitTiny},
                      Case{"VitTinyOnTwoStreams", kGpu, VitTiny, kTwoStreams}),
    [](const auto& param) { return param.param.name; });

// What made every batch on an H100 hold one image.
class VitTinyTest : public ::testing::Test {
 protected:
  // As a part of what it does with the true costs.
  double Achieved(const std::vector<CostModel::Sample>& measured) {
    const double best = Throughput(Known(kGpu, VitTiny), VitTiny, 200, kTwoStreams);
    return Throughput(CostModel(kGpu, measured), VitTiny, 200, kTwoStreams) / best;
  }
};

TEST_F(VitTinyTest, TrueCostsFillTheLargestBatch) {
  EXPECT_GT(Throughput(Known(kGpu, VitTiny), VitTiny, 300, kTwoStreams), 0.98 * 128 / 0.0072);
}

TEST_F(VitTinyTest, ColdMeasurementsDoNotLast) {
  std::vector<CostModel::Sample> cold;
  for (int bucket : kGpu) cold.push_back({bucket, (bucket % 32 == 0 ? 300 : 100) * ms});
  cold.front().took = 1300 * ms;
  EXPECT_GE(Achieved(cold), 0.9);
}

TEST_F(VitTinyTest, OneMeasuredSizeIsEnough) {
  EXPECT_GE(Achieved({{1, 2.7 * ms}}), 0.9);
  EXPECT_GE(Achieved({{1, 100 * ms}}), 0.9);  // cold, too
}

TEST_F(VitTinyTest, OneMeasuredSizeIsEnoughForTightDeadlinesToo) {
  const CostModel known = Known(kGpu, VitTiny), one(kGpu, {{1, 2.7 * ms}});
  const absl::Duration budget = 200 * ms;
  EXPECT_GE(Throughput(one, VitTiny, 200, kTwoStreams, budget),
            0.9 * Throughput(known, VitTiny, 200, kTwoStreams, budget));
}

TEST_F(VitTinyTest, ProportionIsNoLongerAssumedOnceManyWait) {
  CostModel cost(kGpu, {{1, 2.7 * ms}});
  for (int i = 0; i < 1000; ++i) cost.Observe(1, 2.7 * ms, t0);  // lone requests until now
  EXPECT_EQ(cost.Expected(128), 128 * 2.7 * ms);
  const double best = Throughput(Known(kGpu, VitTiny), VitTiny, 200);
  EXPECT_GE(Throughput(cost, VitTiny, 200), 0.9 * best);
}

}  // namespace
}  // namespace patchserve
