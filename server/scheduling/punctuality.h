// How much longer than predicted it takes until an item is answered.
#pragma once

#include <algorithm>

#include "absl/time/time.h"

namespace patchserve {

// Learns the factor that nearly all items keep: their true time is at most so many times the
// predicted one. It is a quantile, found as by Robbins and Monro (1951): each late item moves it
// up by as much as a hundred others move it down. So it covers whatever makes predictions wrong
// here: other work on the machine, batches that turn out smaller, callers with less time who come
// later. Not thread-safe.
class Punctuality {
 public:
  double factor() const { return factor_; }

  // An item was answered after `took`.
  void Observe(absl::Duration predicted, absl::Duration took) {
    Move(took > factor_ * predicted ? kStep * kShare : -kStep * (1 - kShare));
  }

  // An item that should have been in time could not be.
  void Missed() { Move(kStep * kShare); }

 private:
  static constexpr double kShare = 0.995;  // of all items, that are to be in time
  static constexpr double kStep = 0.04;
  static constexpr double kMost = 2;  // beyond it the cost model is what has to learn

  void Move(double by) { factor_ = std::clamp(factor_ + by, 1.0, kMost); }

  double factor_ = 1.1;
};

}  // namespace patchserve
