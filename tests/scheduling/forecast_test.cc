// What is forecast of a request is what happens, if no more requests come.
#include "server/scheduling/forecast.h"

#include <gmock/gmock.h>

#include <string>

#include "tests/scheduling/virtual_device.h"

namespace patchserve {
namespace {

using Answer = Admission::Answer;

const std::vector<int> kCpu = {1, 2, 3, 4, 5, 6, 7, 8};
const std::vector<int> kGpu = {1, 2, 4, 8, 16, 24, 32};

struct Case {
  std::string name;
  std::vector<int> buckets;
  std::vector<Curve> models;
  Scheduler::Options device;
};

std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.name; }

std::vector<Case> Cases() {
  struct Shape {
    std::string name;
    std::vector<int> buckets;
    Curve curve, other;
  };
  const Shape shapes[] = {{"Linear", kCpu, Linear(10 * ms), Linear(17 * ms)},
                          {"Flat", kGpu, Flat(10 * ms), Flat(25 * ms)},
                          {"Fixed", kGpu, Fixed(10 * ms, ms / 2), Fixed(4 * ms, 2 * ms)}};
  const std::pair<std::string, Scheduler::Options> devices[] = {
      {"OneRunner", {.runners = 1}},
      {"ThreeRunners", {.runners = 3}},
      {"SharedDevice", {.runners = 2, .shared_device = true}}};
  std::vector<Case> cases;
  for (const Shape& shape : shapes) {
    for (const auto& [name, device] : devices) {
      cases.push_back({shape.name + name + "OneModel", shape.buckets, {shape.curve}, device});
      cases.push_back(
          {shape.name + name + "TwoModels", shape.buckets, {shape.curve, shape.other}, device});
    }
  }
  return cases;
}

// Requests of all models come at random, with mixed budgets; then no more do.
class ForecastTest : public ::testing::TestWithParam<Case> {
 protected:
  ForecastTest() : device(GetParam().device) {
    const double share = 1.0 / static_cast<double>(GetParam().models.size());
    for (const Curve& curve : GetParam().models) {
      const int model = device.Add(Known(GetParam().buckets, curve), curve);
      const int bucket = device.queue(model).batch;
      longest = std::max(longest, curve(bucket));
      work += share * curve(bucket) / bucket;
    }
    if (!GetParam().device.shared_device) work /= GetParam().device.runners;
  }
  bool several_models() const { return GetParam().models.size() > 1; }

  // `load`: how much comes over what can be done.
  void Load(uint32_t seed, double load) {
    uint32_t random = seed;
    const auto next = [&](int below) {
      random = random * 1664525 + 1013904223;
      return static_cast<int>((random >> 8) % below);
    };
    for (int i = 0; i < 200; ++i) {
      device.Run(device.now + work / load * next(1001) / 500);
      const int model = next(static_cast<int>(GetParam().models.size()));
      const absl::Duration budget = (1 + next(3)) * 6 * longest;
      const Admission admission = device.Admit(model, device.now + budget);
      if (admission.answer != Answer::kAdmitted) continue;
      deadlines[admission.ticket] = device.now + budget;
      promised = {admission.ticket, device.now + admission.wait + admission.run};
    }
  }

  // Lets the device do all that waits, and counts the forecasts, and those that were wrong by more
  // than a batch.
  void Compare() {
    device.StartBatches();
    std::map<int64_t, absl::Time> forecasts;
    for (const auto& [ticket, deadline] : deadlines) {
      if (const auto end = device.ExpectedEnd(ticket)) forecasts[ticket] = *end;
    }
    device.Run();
    for (const auto& [ticket, forecast] : forecasts) {
      ++compared;
      if (device.ended.count(ticket) == 0) {  // it was late, and dropped
        ++wrong;
        continue;
      }
      const absl::Duration off = absl::AbsDuration(device.ended[ticket] - forecast);
      if (off > longest + absl::Nanoseconds(10)) ++wrong;
    }
  }

  VirtualDevice device;
  absl::Duration longest;                   // what a batch takes, of any model
  absl::Duration work;                      // what an image takes of the device
  std::map<int64_t, absl::Time> deadlines;  // of those that were admitted, by ticket
  std::pair<int64_t, absl::Time> promised;  // the last one, and when admission said it would end
  int compared = 0, wrong = 0;
};

TEST_P(ForecastTest, TheLastRequestEndsWhenAdmissionSaidToWithinOneBatch) {
  for (uint32_t seed = 1; seed <= 50; ++seed) {
    Load(seed, 0.7);
    device.Run();
    const auto [ticket, end] = promised;
    ASSERT_EQ(device.ended.count(ticket), 1);
    EXPECT_LE(absl::AbsDuration(device.ended[ticket] - end), longest + absl::Nanoseconds(10));
  }
}

TEST_P(ForecastTest, ARequestEndsWhenItIsForecastToWithinOneBatch) {
  for (uint32_t seed = 1; seed <= 20; ++seed) {
    Load(seed, several_models() ? 0.7 : 2);
    Compare();
  }
  EXPECT_EQ(wrong, 0) << "of " << compared;
  EXPECT_GT(compared, 0);
}

// While it is overloaded, models take turns by the time that they have had. When that ends is no
// part of the forecast, so here requests come on, all of them hopeless.
TEST_P(ForecastTest, UnderOverloadTurnsAreForecastToo) {
  for (uint32_t seed = 1; seed <= 20; ++seed) {
    Load(seed, 2);
    device.changed = [this] {
      for (int i = 0; i < 4; ++i) device.Admit(several_models() ? i % 2 : 0, device.now);
    };
    Compare();
    device.changed = [] {};
  }
  // Of two models' turns an eighth is forecast a batch too early or too late.
  EXPECT_LE(wrong, (several_models() ? 0.125 : 0.05) * compared) << "of " << compared;
  EXPECT_GT(compared, 0);
}

TEST_P(ForecastTest, NearlyAllThatIsAdmittedUnderOverloadIsInTime) {
  for (uint32_t seed = 1; seed <= 20; ++seed) Load(seed, 2);
  device.Run();
  int in_time = 0;
  for (const auto& [ticket, deadline] : deadlines) {
    in_time += device.ended.count(ticket) > 0 && device.ended[ticket] <= deadline;
  }
  EXPECT_GE(in_time, (several_models() ? 0.945 : 0.98) * static_cast<double>(deadlines.size()));
}

INSTANTIATE_TEST_SUITE_P(Devices, ForecastTest, ::testing::ValuesIn(Cases()),
                         [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace patchserve
