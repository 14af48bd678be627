// How often items come, and how much time they bring.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"
#include "absl/types/span.h"

namespace patchserve {

// Averages over about the last hundred arrivals.
class Arrivals {
 public:
  // An item came that must be done within `budget`.
  void Add(absl::Time now, absl::Duration budget) {
    const double weight = std::max(kLeastWeight, 1 / (count_ + 1));
    if (count_ > 0) {
      gap_ += std::max(kLeastWeight, 1 / count_) * (absl::ToDoubleSeconds(now - last_) - gap_);
    }
    usual_budget_ = count_ == 0 ? budget : usual_budget_ + weight * (budget - usual_budget_);
    latest_[static_cast<int64_t>(count_) % kLatest] = budget;
    count_ += 1;
    last_ = now;
  }

  // How many are likely to come within `span` from `now` on; 0 while too little is known.
  double Expected(absl::Time now, absl::Duration span) const {
    if (count_ < kFewest || span <= absl::ZeroDuration()) return 0;
    // A pause that is much longer than the usual gap is news too.
    const double gap = std::max({gap_, absl::ToDoubleSeconds(now - last_) / kPause, 1e-9});
    return absl::ToDoubleSeconds(span) / gap;
  }

  // How many are likely to come within a run that begins now, and to be late: what is left
  // of it when they come, and then a run of `own`, is more time than they bring.
  double Late(absl::Time now, absl::Duration run, absl::Duration own) const {
    absl::Duration too_early = absl::ZeroDuration();
    for (absl::Duration budget : latest()) {
      too_early += std::clamp(run + own - budget, absl::ZeroDuration(), run);
    }
    return Expected(now, too_early) / std::max<double>(latest().size(), 1);
  }

  // How many of those that are likely to come within `span` bring less than `patient`.
  double Hurried(absl::Time now, absl::Duration span, absl::Duration patient) const {
    const auto hurried = std::count_if(latest().begin(), latest().end(),
                                       [&](absl::Duration budget) { return budget < patient; });
    return Expected(now, span) * static_cast<double>(hurried) /
           std::max<double>(latest().size(), 1);
  }

  absl::Duration usual_budget() const { return usual_budget_; }  // the mean

 private:
  static constexpr double kLeastWeight = 0.01;
  static constexpr double kFewest = 10;
  static constexpr int kLatest = 64;
  static constexpr double kPause = 5;  // gaps; of those that come by chance one in 150 is longer

  absl::Span<const absl::Duration> latest() const {
    return absl::MakeConstSpan(latest_).first(std::min<size_t>(count_, kLatest));
  }

  double count_ = 0;
  double gap_ = 0;  // mean seconds between arrivals
  absl::Duration usual_budget_;
  std::array<absl::Duration, kLatest> latest_;  // budgets, in a ring
  absl::Time last_ = absl::InfinitePast();
};

}  // namespace patchserve
