#include "client/progress.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace patchserve {

std::string ProgressLine(size_t done, size_t total, absl::Duration elapsed) {
  constexpr size_t kWidth = 30;
  const size_t filled = kWidth * done / total;
  std::string bar(filled, '=');
  if (filled < kWidth) bar += '>';
  bar.resize(kWidth, ' ');
  std::string line = absl::StrFormat("[%s]  %d/%d  %d %%", bar, done, total, 100 * done / total);
  if (done == 0 || elapsed <= absl::ZeroDuration()) return line;
  const absl::Duration left =
      elapsed / static_cast<double>(done) * static_cast<double>(total - done);
  absl::StrAppendFormat(&line, "  %.1f/s  %s left", done / absl::ToDoubleSeconds(elapsed),
                        absl::FormatDuration(absl::Ceil(left, absl::Seconds(1))));
  return line;
}

void ProgressBar::Show(size_t done, absl::Time now) {
  constexpr absl::Duration kBetween = absl::Milliseconds(100);
  if (now < drawn_at_ + kBetween) return;
  Wipe();
  std::string line = ProgressLine(done, total_, now - start_);
  if (const size_t columns = columns_(); columns > 0) {
    line.resize(std::min(line.size(), columns - 1));
  }
  terminal_ << line << std::flush;
  drawn_at_ = now;
  drawn_ = true;
}

void ProgressBar::Wipe() {
  // To the first column, and clear to the end of the line.
  if (drawn_) terminal_ << "\r\x1b[K" << std::flush;
  drawn_ = false;
}

}  // namespace patchserve
