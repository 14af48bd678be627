// Which lines of a log to leave out where another one can make as many as it likes.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/time/time.h"

namespace patchserve {

// Of the lines of one kind: the first few of every ten seconds are shown. Plain code.
class LineLimit {
 public:
  static constexpr int kShown = 3;
  static constexpr absl::Duration kEvery = absl::Seconds(10);

  // How many were left out since the last that was shown; nothing: leave this one out too.
  std::optional<int64_t> Show(absl::Time now) {
    if (now - start_ >= kEvery) {
      start_ = now;
      shown_ = 0;
    }
    if (shown_ == kShown) {
      ++left_out_;
      return std::nullopt;
    }
    ++shown_;
    const int64_t left_out = left_out_;
    left_out_ = 0;
    return left_out;
  }

 private:
  absl::Time start_ = absl::InfinitePast();
  int shown_ = 0;
  int64_t left_out_ = 0;
};

}  // namespace patchserve
