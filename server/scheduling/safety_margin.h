// How much earlier than its deadline a request must be forecast to end.
#pragma once

#include <algorithm>
#include <cstdint>

namespace patchserve {

// Learned, so that kInTime of the admitted requests are in time: a quantile of what makes forecasts
// wrong, found as by Robbins and Monro (1951), in times of a batch: more than one where the device
// isn't what is short, but the cores that feed it. One sample a batch: its requests share their
// fate. Not thread-safe.
class SafetyMargin {
 public:
  double share() const { return share_; }

  // Of a batch's requests this share was late.
  void Learn(double late) {
    in_time_ = late > 0 ? 0 : in_time_ + 1;
    double step = kStep * std::max(1.0, share_);
    // A margin of more than a batch narrows the faster the longer nothing was late.
    if (share_ > 1) step *= std::max(1.0, static_cast<double>(in_time_) * (1 - kInTime));
    share_ = std::clamp(share_ + step * (late - (1 - kInTime)), 0.0, kMost);
  }

 private:
  static constexpr double kInTime = 0.993;
  static constexpr double kStep = 0.02;
  static constexpr double kMost = 8;

  double share_ = 0.05;
  int64_t in_time_ = 0;  // batches since one had late requests
};

}  // namespace patchserve
