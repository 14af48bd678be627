// How often requests of a model come, and how much time they leave.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include "absl/time/time.h"

namespace patchserve {

// Of about the last kRemembered. Not thread-safe.
class Arrivals {
 public:
  // A request came that must be answered within `budget` of being decoded.
  void Add(absl::Time now, absl::Duration budget) {
    if (count_ > 0) {
      const double weight = 1.0 / static_cast<double>(std::min(count_, kRemembered));
      gap_ += weight * (absl::ToDoubleSeconds(now - last_) - gap_);
    }
    budgets_[count_ % budgets_.size()] = absl::ToDoubleSeconds(budget);
    ++count_;
    last_ = now;
  }

  size_t count() const { return count_; }

  // Requests a second; 0 while too few have come to say.
  double Rate(absl::Time now) const {
    if (count_ < kRemembered / 10) return 0;  // a few may come at once by chance
    // A pause longer than all gaps that are remembered is news too.
    const double pause = absl::ToDoubleSeconds(now - last_) / kRemembered;
    return 1 / std::max({gap_, pause, 1e-9});
  }
  // How many come within that time; no more than ever did, since the first ones may come at once.
  double Expected(absl::Time now, absl::Duration within) const {
    return std::min(Rate(now) * absl::ToDoubleSeconds(within), static_cast<double>(count_));
  }

  // The share of requests that can wait until a runner comes free, which one does every `every`,
  // and then for a batch that takes `run`.
  double ShareThatCanWait(absl::Duration every, absl::Duration run) const {
    const double gap = absl::ToDoubleSeconds(every), takes = absl::ToDoubleSeconds(run);
    return Mean(1, [&](double budget) { return std::clamp((budget - takes) / gap, 0.0, 1.0); });
  }

  // How many of the requests that come while no runner is free, for `blocked`, would be late in a
  // batch of their own that takes `run`.
  double Lost(absl::Time now, absl::Duration blocked, absl::Duration run) const {
    const double gap = absl::ToDoubleSeconds(blocked), takes = absl::ToDoubleSeconds(run);
    return Rate(now) *
           Mean(0, [&](double budget) { return std::clamp(gap + takes - budget, 0.0, gap); });
  }

  // How many of the requests that come `within` a time are due within `due_in` from now.
  double ExpectedDue(absl::Time now, absl::Duration within, absl::Duration due_in) const {
    const double last = absl::ToDoubleSeconds(within), due = absl::ToDoubleSeconds(due_in);
    return Rate(now) *
           Mean(0, [&](double budget) { return std::max(0.0, std::min(last, due - budget)); });
  }

 private:
  static constexpr size_t kRemembered = 100;  // arrivals

  template <typename Function>
  double Mean(double if_none, const Function& function) const {
    const size_t known = std::min(count_, budgets_.size());
    double sum = 0;
    for (size_t i = 0; i < known; ++i) sum += function(budgets_[i]);
    return known == 0 ? if_none : sum / static_cast<double>(known);
  }

  size_t count_ = 0;
  double gap_ = 0;                                // mean seconds between arrivals
  std::array<double, kRemembered> budgets_ = {};  // seconds, the latest in a ring
  absl::Time last_ = absl::InfinitePast();
};

}  // namespace patchserve
