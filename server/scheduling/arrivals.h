// How often items come, and how much time they bring.
#pragma once

#include <algorithm>

#include "absl/time/time.h"

namespace patchserve {

// Averages over about the last hundred arrivals.
class Arrivals {
 public:
  // An item came that must be done within `budget`.
  void Add(absl::Time now, absl::Duration budget) {
    const double weight = std::max(kLeastWeight, 1 / (count_ + 1));
    if (count_ > 0) gap_ += weight * (absl::ToDoubleSeconds(now - last_) - gap_);
    usual_budget_ = count_ == 0 ? budget : usual_budget_ + weight * (budget - usual_budget_);
    stray_ += weight * (absl::AbsDuration(budget - usual_budget_) - stray_);
    count_ += 1;
    last_ = now;
  }

  // How many are likely to come within `span` from `now` on; 0 while too little is known.
  double Expected(absl::Time now, absl::Duration span) const {
    if (count_ < kFewest || span <= absl::ZeroDuration()) return 0;
    // A pause that is longer than the usual gap is news too.
    const double gap = std::max({gap_, absl::ToDoubleSeconds(now - last_), 1e-9});
    return absl::ToDoubleSeconds(span) / gap;
  }

  absl::Duration usual_budget() const { return usual_budget_; }  // the mean
  // Of those that bring less than usual: the mean, less the mean distance from it.
  absl::Duration tight_budget() const { return usual_budget_ - stray_; }

 private:
  static constexpr double kLeastWeight = 0.01;
  static constexpr double kFewest = 10;

  double count_ = 0;
  double gap_ = 0;  // mean seconds between arrivals
  absl::Duration usual_budget_;
  absl::Duration stray_;
  absl::Time last_ = absl::InfinitePast();
};

}  // namespace patchserve
