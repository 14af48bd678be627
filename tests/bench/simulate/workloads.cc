#include "tests/bench/simulate/workloads.h"

#include <memory>
#include <random>
#include <utility>

namespace patchserve::simulate {
namespace {

struct Source {
  Source(const Traffic& traffic, double seconds, uint64_t seed)
      : traffic(traffic), end(seconds), random(seed) {}

  double Exponential(double mean) {
    return std::exponential_distribution<double>(1 / mean)(random);
  }

  std::optional<Request> At(double when) {
    if (when > end) return std::nullopt;
    const size_t budget = random() % traffic.budgets.size();
    const absl::Time sent = absl::UnixEpoch() + absl::Seconds(when);
    return Request{++id, traffic.model, sent, sent, sent + traffic.budgets[budget]};
  }

  const Traffic traffic;
  const double end;
  std::mt19937_64 random;
  double now = 0;
  int id = 0;
};

}  // namespace

Workload Poisson(const Traffic& traffic, double seconds, uint64_t seed) {
  return [source = std::make_shared<Source>(traffic, seconds, seed)] {
    source->now += source->Exponential(1 / source->traffic.rate);
    return source->At(source->now);
  };
}

Workload Bursty(const Traffic& traffic, double peak, double burst_seconds, double seconds,
                uint64_t seed) {
  constexpr double kShare = 0.1;
  const double calm_rate = traffic.rate * (1 - peak * kShare) / (1 - kShare);
  return [=, source = std::make_shared<Source>(traffic, seconds, seed), burst = false,
          until = 0.0]() mutable {
    while (true) {
      const double rate = burst ? peak * traffic.rate : calm_rate;
      const double gap = rate > 0 ? source->Exponential(1 / rate) : 1e18;
      if (source->now + gap < until) {
        source->now += gap;
        return source->At(source->now);
      }
      if (until > seconds) return std::optional<Request>();
      // The process has no memory: it starts anew in the other state.
      source->now = until;
      burst = !burst;
      until += source->Exponential(burst ? burst_seconds : burst_seconds * (1 - kShare) / kShare);
    }
  };
}

}  // namespace patchserve::simulate
