// Lines of a log that others cause: as many as somebody may want to read.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/time/time.h"

namespace patchserve {

// Lets through so many lines a second. Not thread-safe.
class LineLimit {
 public:
  explicit LineLimit(int per_second) : per_second_(per_second) {}

  // Whether a line may be written now, and if so how many weren't since the last that was.
  std::optional<int64_t> Take(absl::Time now) {
    if (now >= second_ + absl::Seconds(1) || now < second_) {
      second_ = now;
      taken_ = 0;
    }
    if (taken_ == per_second_) {
      ++left_out_;
      return std::nullopt;
    }
    ++taken_;
    const int64_t left_out = left_out_;
    left_out_ = 0;
    return left_out;
  }

 private:
  const int per_second_;
  absl::Time second_ = absl::InfinitePast();  // when it began
  int taken_ = 0;                             // in it
  int64_t left_out_ = 0;
};

}  // namespace patchserve
