// Requests in virtual time.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "tests/bench/simulate/simulation.h"

namespace patchserve::simulate {

using Workload = std::function<std::optional<Request>()>;

struct Traffic {
  int model = 0;
  double rate = 0;                      // requests a second, on average
  std::vector<absl::Duration> budgets;  // each request brings one of them
};

// Exponential gaps. `seconds` long.
Workload Poisson(const Traffic& traffic, double seconds, uint64_t seed);

// A Markov-modulated Poisson process of two states: bursts at `peak` times the average
// rate take a tenth of the time, in stretches of `burst_seconds` on average.
Workload Bursty(const Traffic& traffic, double peak, double burst_seconds, double seconds,
                uint64_t seed);

}  // namespace patchserve::simulate
