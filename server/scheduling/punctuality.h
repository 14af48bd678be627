// How much longer than predicted items wait for others.
#pragma once

#include <algorithm>

#include "absl/time/time.h"

namespace patchserve {

// Learns by what factor predicted waits must be stretched so that nearly all who are admitted are
// in time: a quantile, found as by Robbins and Monro (1951). Each that is late moves the factor up
// by as much as two hundred in time move it down. So it covers whatever makes predictions wrong
// here: other work on the machine, batches that turn out smaller, callers with less time who come
// later. Not thread-safe.
class Punctuality {
 public:
  double factor() const { return factor_; }

  // An item was in time that was to wait for `ahead`, and could have waited for `spare`.
  void Kept(absl::Duration ahead, absl::Duration spare) {
    // Who would have been admitted at any factor says nothing of it.
    if (spare < kMost * ahead) Move(-kStep * (1 - kShare));
  }
  // The same of one that was late. Who had too little time from the start says nothing.
  void Missed(absl::Duration ahead, absl::Duration spare) {
    if (ahead > absl::ZeroDuration() && ahead <= spare) Move(kStep * kShare);
  }

 private:
  static constexpr double kShare = 0.995;  // of all items, that are to be in time
  static constexpr double kStep = 0.04;
  static constexpr double kMost = 2;  // beyond it the cost model is what has to learn

  void Move(double by) { factor_ = std::clamp(factor_ + by, 1.0, kMost); }

  double factor_ = 1;
};

}  // namespace patchserve
