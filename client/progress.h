// One line on a terminal that says how far a long job is.
#pragma once

#include <cstddef>
#include <functional>
#include <ostream>
#include <string>
#include <utility>

#include "absl/time/time.h"

namespace patchserve {

// "[=====>    ]  120/200  60 %  31.5/s  3s left". `elapsed` is the time that `done` of
// `total` (1 or more) took; without it, or with none done, speed and rest are left out.
std::string ProgressLine(size_t done, size_t total, absl::Duration elapsed);

// Draws the line at the cursor's row and wipes it again. Not thread-safe.
class ProgressBar {
 public:
  // Draws to `terminal`, which must outlive this. `total` is 1 or more. `columns`, asked
  // before each drawing, is the terminal's width: the line is cut to one less, as a line
  // that wraps can't be wiped. 0: unknown.
  ProgressBar(size_t total, std::ostream& terminal, std::function<size_t()> columns,
              absl::Time start)
      : total_(total), terminal_(terminal), columns_(std::move(columns)), start_(start) {}

  // `done` are over now. Draws at most ten times a second, but the first time at once.
  void Show(size_t done, absl::Time now);

  // To be called before anything else is printed on that terminal, and at the end.
  void Wipe();

 private:
  const size_t total_;
  std::ostream& terminal_;
  const std::function<size_t()> columns_;
  const absl::Time start_;
  absl::Time drawn_at_ = absl::InfinitePast();
  bool drawn_ = false;
};

}  // namespace patchserve
