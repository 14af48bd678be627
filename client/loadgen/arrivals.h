// When an open loop sends: a schedule that doesn't depend on the server.
#pragma once

#include <cstdint>
#include <random>

#include "absl/time/time.h"

namespace patchserve {

enum class Spacing {
  kPoisson,   // as many independent users do: the gaps are exponentially distributed
  kConstant,  // equal gaps
};

// Not thread-safe. One seed gives one schedule, on every platform.
class Arrivals {
 public:
  // `rate`: requests a second, more than 0.
  Arrivals(Spacing spacing, double rate, uint64_t seed)
      : spacing_(spacing), rate_(rate), random_(seed) {}

  // The next intended send, as the time since the start; never before the last one. The
  // first one is a gap after the start.
  absl::Duration Next();

 private:
  const Spacing spacing_;
  const double rate_;
  std::mt19937_64 random_;
  double gaps_ = 0;  // so far, in mean gaps
};

}  // namespace patchserve
