// What is told of a download that is under way.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/time/time.h"

namespace patchserve {

// Of one file. The time is an argument: nothing here looks at a clock.
class Progress {
 public:
  // `tell` gets "fetching NAME: 120 of 345 MB (35 %), 12.3 MB/s" at most twice a second, and at the
  // end; `log` the same every 10 seconds, and at the end.
  using Tell = std::function<void(const std::string& text)>;
  Progress(std::string name, int64_t size, absl::Time start, Tell tell, Tell log);

  // So many bytes are there; the first call says how many an earlier process has left.
  void Update(int64_t bytes, absl::Time now);

 private:
  std::string Text(int64_t bytes, absl::Time now) const;

  const std::string name_;
  const int64_t size_;
  const absl::Time start_;
  const Tell tell_, log_;
  int64_t before_ = -1;  // that were there at the start
  absl::Time told_ = absl::InfinitePast(), logged_;
};

}  // namespace patchserve
