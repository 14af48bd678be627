// How long a batch takes: measured at warm-up, and learned from every batch since.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "absl/time/time.h"

namespace patchserve {

// Durations of batches of 1, 2, ... max_batch images of one model. Not thread-safe.
class CostModel {
 public:
  struct Sample {
    int size = 0;  // images
    absl::Duration took;
  };

  // `measured`: at least one sample, by increasing size. Between two of them time
  // grows linearly; beyond the last as between the last two, or in proportion where
  // there is only one.
  CostModel(const std::vector<Sample>& measured, int max_batch);

  int max_batch() const { return static_cast<int>(expected_.size()) - 1; }

  // Batches hold at most so many from now on; 1 <= most.
  void Limit(int most) { expected_.resize(std::min<size_t>(expected_.size(), most + 1)); }

  // The time to expect. Never less than that of a smaller batch. 1 <= size <= max_batch.
  absl::Duration Expected(int size) const { return expected_[size]; }

  // A time that nearly all batches keep, the expected one and two standard deviations:
  // what a deadline is held against.
  absl::Duration Safe(int size) const { return expected_[size] * (1 + 2 * Deviation()); }

  // The standard deviation of what batches take, as a share of what was expected.
  double Deviation() const { return std::sqrt(variance_); }

  // The least that a batch ever took.
  absl::Duration Fastest() const { return fastest_[1]; }

  // A batch took so long; sizes above max_batch are passed over. The times of all sizes move a
  // sixteenth of the way there, since most of what changes (the clock, a neighbour on the machine)
  // changes all. The shape of the curve follows slowly, its own size and those next to it: one
  // batch that took long by chance must not make its neighbours look better. A batch that took more
  // than four times what was expected, or less than a quarter, counts as four times or a quarter:
  // the machine, or its clock, may have stood still.
  void Observe(int size, absl::Duration took);

  // Every size takes a little less than was thought: for an estimate that nothing can
  // put right, since because of it nothing runs. Never less than was seen.
  void Fade();

 private:
  std::vector<absl::Duration> expected_;  // by size; [0] is zero
  std::vector<absl::Duration> fastest_;   // by size, of those that were measured or ran
  double variance_ = 0.05 * 0.05;         // of what batches took, as a share of what was expected
  int observed_ = 0;
};

}  // namespace patchserve
