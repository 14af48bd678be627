// A device that only takes time: as much as was measured of a real one.
#pragma once

#include <functional>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "absl/time/time.h"
#include "bench/device/curves.h"

namespace patchserve {

// Thread-safe.
class SimulatedDevice {
 public:
  // Time since some start, and how to let it pass. Both are called on several threads.
  struct Clock {
    std::function<absl::Duration()> now;
    std::function<void(absl::Duration)> sleep_until;
  };
  // A clock that nobody sets, whose sleep is exact to some microseconds on a thread that called
  // SleepExactly.
  static Clock RealClock();
  static void SleepExactly();

  // What one batch was.
  struct Batch {
    std::string model;
    int size = 0;
    absl::Duration busy;   // the device, for this batch
    absl::Duration first;  // the runner alone, before: it had not run that size yet
  };

  // `noise`: the standard deviation of a batch's time, in parts of it. `ran` is called after
  // each batch, on its runner.
  SimulatedDevice(Clock clock, double noise, std::function<void(const Batch&)> ran)
      : clock_(std::move(clock)), noise_(noise), ran_(std::move(ran)) {}

  // Runs a batch of `size` images of `model` on a runner, 0 or more. Blocks for as long as that
  // takes: the cost of a first use, on the runner alone, then its turn on the device, which runs
  // one batch at a time in the order in which they come. Oversleeping doesn't add up: when the
  // device is free again is computed.
  void Run(int runner, const std::string& model, const ModelCurves& curves, int size);

 private:
  absl::Duration Noisy(absl::Duration time);  // needs mutex_

  const Clock clock_;
  const double noise_;
  const std::function<void(const Batch&)> ran_;
  std::mutex mutex_;
  std::set<std::tuple<int, std::string, int>> used_;  // runner, model, size; guarded by mutex_
  absl::Duration free_;                               // from when on; guarded by mutex_
  std::mt19937_64 random_;                            // guarded by mutex_
};

}  // namespace patchserve
