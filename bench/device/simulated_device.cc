#include "bench/device/simulated_device.h"

#include <sys/prctl.h>
#include <time.h>

#include <algorithm>

namespace patchserve {

SimulatedDevice::Clock SimulatedDevice::RealClock() {
  return {.now =
              [] {
                timespec now;
                clock_gettime(CLOCK_MONOTONIC, &now);
                return absl::DurationFromTimespec(now);
              },
          .sleep_until =
              [](absl::Duration when) {
                const timespec until = absl::ToTimespec(when);
                while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) != 0) {
                }
              }};
}

// Else the kernel adds up to 50 us.
void SimulatedDevice::SleepExactly() { prctl(PR_SET_TIMERSLACK, 1); }

void SimulatedDevice::Run(int runner, const std::string& model, const ModelCurves& curves,
                          int size) {
  Batch batch{.model = model, .size = size};
  bool first_use;
  {
    std::lock_guard lock(mutex_);
    first_use = used_.insert({runner, model, size}).second;
  }
  if (first_use) {
    batch.first = curves.first[runner % curves.first.size()].At(size);
    clock_.sleep_until(clock_.now() + batch.first);
  }
  absl::Duration end;
  {
    std::lock_guard lock(mutex_);
    batch.busy = Noisy(curves.run.At(size));
    end = free_ = std::max(clock_.now(), free_) + batch.busy;
  }
  clock_.sleep_until(end);
  ran_(batch);
}

absl::Duration SimulatedDevice::Noisy(absl::Duration time) {
  if (noise_ == 0) return time;
  // Within three deviations: never negative.
  const double deviations = std::normal_distribution<double>()(random_);
  return time * (1 + noise_ * std::clamp(deviations, -3.0, 3.0));
}

}  // namespace patchserve
