// Whatever a model's costs start from, within a second of load they lead to the right batches.
#include <gmock/gmock.h>

#include <cmath>
#include <random>
#include <string>

#include "server/pipeline/batch_buckets.h"
#include "tests/scheduling/virtual_device.h"

namespace patchserve {
namespace {

const std::vector<int> kGpu = {1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128};
const std::vector<int> kCpu = {1, 2, 3, 4, 5, 6, 7, 8};

// vit_tiny on an H100: 2.7 ms for one image, 7.2 ms for 128.
absl::Duration VitTiny(int bucket) { return 2.7 * ms + (bucket - 1) * (4.5 / 127) * ms; }

// Images in the second after the first, while so many requests always wait that have time enough.
int Throughput(CostModel cost, const Curve& truth, int waiting,
               const Scheduler::Options& options = {}) {
  VirtualDevice device(options);
  const int model = device.Add(std::move(cost), truth);
  const auto fill = [&] {
    while (device.scheduler.queue(model).waiting() < waiting) {
      if (device.Admit(model, device.now + absl::Hours(1)).ticket < 0) break;
    }
  };
  device.after_start = fill;
  fill();
  device.Run(t0 + absl::Seconds(2));
  int images = 0;
  for (const auto& [ticket, end] : device.ended) {
    images += end > t0 + absl::Seconds(1) && end <= t0 + absl::Seconds(2);
  }
  return images;
}

struct Case {
  std::string name;
  std::vector<int> buckets;
  Curve truth;
};

class HealingTest : public ::testing::TestWithParam<Case> {};

TEST_P(HealingTest, CostsThatAreWrongByFactorsOfUpToAHundredHealWithinASecond) {
  const auto& [name, buckets, truth] = GetParam();
  std::mt19937 random(7);
  std::uniform_real_distribution<double> exponent(-2, 2);
  for (int waiting : {200, 20, 3}) {
    const int best = Throughput(Known(buckets, truth), truth, waiting);
    double worst = 1;
    int bad = 0;
    for (int trial = 0; trial < 200; ++trial) {
      std::vector<CostModel::Sample> measured = Measured(buckets, truth);
      for (CostModel::Sample& sample : measured) sample.took *= std::pow(10, exponent(random));
      const int images = Throughput(CostModel(buckets, measured), truth, waiting);
      worst = std::min(worst, 1.0 * images / best);
      bad += images < 0.9 * best;
    }
    std::printf("%-12s %3d waiting: best %6d worst %.3f bad %d\n", name.c_str(), waiting, best,
                worst, bad);
  }
}

INSTANTIATE_TEST_SUITE_P(Curves, HealingTest,
                         ::testing::Values(Case{"Flat", kGpu, Flat(5 * ms)},
                                           Case{"FlatSlow", kGpu, Flat(40 * ms)},
                                           Case{"Linear", kCpu, Linear(2 * ms)},
                                           Case{"LinearSlow", kCpu, Linear(10 * ms)},
                                           Case{"LinearGpu", kGpu, Linear(ms)},
                                           Case{"VitTiny", kGpu, VitTiny}),
                         [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace patchserve
