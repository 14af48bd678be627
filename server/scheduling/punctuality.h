// How sure of a prediction one must be.
#pragma once

#include <algorithm>

namespace patchserve {

// Learns how much later than predicted, in standard deviations of what batches take, it must still
// be in time for who is admitted, so that nearly all are: a quantile, found as by Robbins and Monro
// (1951). Each that is late moves it up by as much as 300 in time move it down. It covers
// whatever makes predictions wrong: other work on the machine, and that of many who ask the first
// whom a prediction flatters is the one who is admitted. Not thread-safe.
class Punctuality {
 public:
  double margin() const { return margin_; }

  // An item that was admitted with `slack` before its deadline was in time, or late. Who had so
  // much more than any margin says nothing.
  void Kept(double slack) {
    if (slack < kMost + 2) Move(-kStep * (1 - kShare));
  }
  void Missed(double slack) {
    if (slack < kMost + 2) Move(kStep * kShare);
  }
  // The device had nothing to do. Perhaps because the margin lets nobody in: it fades.
  void Idle() { Move(-kFade); }

 private:
  static constexpr double kShare = 0.997;  // of those whom it may concern, that are to be in time
  static constexpr double kStep = 0.2;
  static constexpr double kFade = 0.01;
  static constexpr double kLeast = 0.5;  // a burst after a quiet time finds some
  static constexpr double kMost = 6;     // beyond it the cost model is what has to learn

  void Move(double by) { margin_ = std::clamp(margin_ + by, kLeast, kMost); }

  double margin_ = 1;
};

}  // namespace patchserve
