// The simulated device, in a time of its own.

#include <gmock/gmock.h>

#include <algorithm>
#include <string>
#include <vector>

#include "bench/device/curves.h"
#include "bench/device/simulated_device.h"
#include "tests/temporary_folder.h"

namespace patchserve {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const absl::Duration ms = absl::Milliseconds(1);

const std::string kCurves = DEVICE_FOLDER "/curves.json";

Curve Measured() { return Curve({{1, 2 * ms}, {4, 8 * ms}, {8, 10 * ms}}); }

TEST(CurveTest, ASizeBetweenTwoMeasuredOnesLiesOnTheLineBetweenThem) {
  EXPECT_EQ(Measured().At(4), 8 * ms);
  EXPECT_EQ(Measured().At(2), 4 * ms);
  EXPECT_EQ(Measured().At(7), 9.5 * ms);
}

TEST(CurveTest, BeyondTheLargestMeasuredSizeTimeIsInProportion) {
  EXPECT_EQ(Measured().At(16), 20 * ms);
}

TEST(CurveTest, BelowTheSmallestMeasuredSizeItsTimeHolds) {
  EXPECT_EQ(Curve({{8, 10 * ms}}).At(1), 10 * ms);
}

TEST(ReadCurvesTest, TheFileOfTheBenchmarkHasEveryCurveOfItsModels) {
  for (const char* model : {"vit_tiny_patch16_224", "vit_base_patch16_224", "convmixer_768_32"}) {
    for (const char* run : {"run_ms", "graph_ms", "eager_ms"}) {
      const auto curves = ReadCurves(kCurves, model, run);
      ASSERT_TRUE(curves.ok()) << curves.status();
      EXPECT_GT(curves->run.At(128), curves->run.At(8)) << model << " " << run;
      EXPECT_GT(curves->first[1].At(1), 50 * ms);
    }
  }
  EXPECT_EQ(ReadCurves(kCurves, "convmixer_768_32", "run_ms")->run.At(8), 5.87 * ms);
}

TEST(ReadCurvesTest, AnUnknownModelAndADamagedFileAreErrors) {
  EXPECT_EQ(ReadCurves(kCurves, "resnet", "run_ms").status().code(), absl::StatusCode::kNotFound);
  const TemporaryFolder folder;
  const std::string damaged = folder.Write("curves.json", R"({"models": )");
  EXPECT_THAT(std::string(ReadCurves(damaged, "vit", "run_ms").status().message()),
              HasSubstr(damaged));
}

// Runs batches of a model "m" whose sizes take 2 ms an image, and 100 ms on runner 0, 200 ms on
// runner 1 at their first use.
class SimulatedDeviceTest : public ::testing::Test {
 protected:
  // When the batch is over.
  absl::Duration Run(int runner, int size, const std::string& model = "m") {
    device_.Run(runner, model, curves_, size);
    return now_;
  }
  // As if another batch had come at the same time.
  absl::Duration RunAt(absl::Duration time, int runner, int size) {
    now_ = time;
    return Run(runner, size);
  }

  const ModelCurves curves_{
      Curve({{1, 2 * ms}}),
      {Curve({{1, 100 * ms}, {2, 100 * ms}}), Curve({{1, 200 * ms}, {2, 200 * ms}})}};
  absl::Duration now_;
  absl::Duration busy_;
  std::vector<absl::Duration> first_;
  SimulatedDevice device_{
      {.now = [this] { return now_; },
       .sleep_until = [this](absl::Duration when) { now_ = std::max(now_, when); }},
      /*noise=*/0,
      [this](const SimulatedDevice::Batch& batch) {
        busy_ += batch.busy;
        first_.push_back(batch.first);
      }};
};

TEST_F(SimulatedDeviceTest, ARunnerPaysForASizeOnce) {
  EXPECT_EQ(Run(0, 1), 102 * ms);
  EXPECT_EQ(Run(0, 1), 104 * ms);
  Run(0, 2);
  EXPECT_THAT(first_, ElementsAre(100 * ms, absl::ZeroDuration(), 100 * ms));
}

TEST_F(SimulatedDeviceTest, EachRunnerAndEachModelPaysForItself) {
  Run(0, 1);
  Run(1, 1);
  Run(0, 1, "another");
  EXPECT_THAT(first_, ElementsAre(100 * ms, 200 * ms, 100 * ms));
}

TEST_F(SimulatedDeviceTest, AFirstUseLeavesTheDeviceToTheOtherRunner) {
  Run(1, 1);
  EXPECT_EQ(RunAt(300 * ms, 0, 1), 402 * ms);
  EXPECT_EQ(RunAt(301 * ms, 1, 1), 404 * ms);  // behind the batch that ran from 400 to 402 ms
  EXPECT_EQ(RunAt(500 * ms, 1, 1), 502 * ms);
}

TEST_F(SimulatedDeviceTest, TwoRunnersTogetherAreNoFasterThanOne) {
  Run(0, 1), Run(1, 1);
  now_ = 1000 * ms;
  EXPECT_EQ(RunAt(1000 * ms, 0, 1), 1002 * ms);
  EXPECT_EQ(RunAt(1000 * ms, 1, 1), 1004 * ms);
  EXPECT_EQ(RunAt(1001 * ms, 0, 1), 1006 * ms);
}

TEST_F(SimulatedDeviceTest, TheDeviceIsBusyForItsBatchesAlone) {
  Run(0, 1);
  RunAt(now_ + 50 * ms, 0, 2);
  EXPECT_EQ(busy_, 6 * ms);
}

TEST(SimulatedDeviceNoiseTest, NoiseIsWithinThreeDeviationsAndNotTheSameTwice) {
  absl::Duration now;
  std::vector<double> took;
  SimulatedDevice device(
      {.now = [&] { return now; }, .sleep_until = [&](absl::Duration when) { now = when; }},
      /*noise=*/0.1, [&](const SimulatedDevice::Batch& batch) {
        took.push_back(absl::ToDoubleMilliseconds(batch.busy));
      });
  const ModelCurves curves{Curve({{1, 10 * ms}}), {Curve({{1, 1 * ms}})}};
  for (int i = 0; i < 100; ++i) device.Run(0, "m", curves, 1);
  EXPECT_THAT(took, ::testing::Each(::testing::AllOf(::testing::Ge(7), ::testing::Le(13))));
  EXPECT_NE(took[0], took[1]);
}

}  // namespace
}  // namespace patchserve
