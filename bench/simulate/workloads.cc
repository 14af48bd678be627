#include "bench/simulate/workloads.h"

#include <algorithm>
#include <cmath>
#include <iterator>

namespace patchserve::simulate {
namespace {

class Source {
 public:
  Source(const Traffic& traffic, uint64_t seed) : traffic_(traffic), random_(seed) {}

  double Exponential(double mean) {
    return std::exponential_distribution<double>(1 / mean)(random_);
  }

  void SendAt(double when) {
    const absl::Time sent = absl::UnixEpoch() + absl::Seconds(when);
    const absl::Duration budget = traffic_.budgets[random_() % traffic_.budgets.size()];
    const absl::Time ready = traffic_.decode > 0 ? sent + absl::Seconds(Decode()) : sent;
    requests.push_back(
        {static_cast<int>(requests.size()), traffic_.model, sent, ready, sent + budget});
  }

  std::vector<Request> requests;

 private:
  double Decode() {
    constexpr double kShape = 1.5;
    const double least = traffic_.decode * (kShape - 1) / kShape;
    const double uniform = std::uniform_real_distribution<double>(0, 1)(random_);
    return least * std::pow(1 - uniform, -1 / kShape);
  }

  const Traffic& traffic_;
  std::mt19937_64 random_;
};

}  // namespace

std::vector<Request> Poisson(const Traffic& traffic, double seconds, uint64_t seed, double start) {
  Source source(traffic, seed);
  for (double now = start;;) {
    now += source.Exponential(1 / traffic.rate);
    if (now > start + seconds) return std::move(source.requests);
    source.SendAt(now);
  }
}

std::vector<Request> Bursty(const Traffic& traffic, double peak, double burst_seconds,
                            double seconds, uint64_t seed) {
  constexpr double kShare = 0.1;
  const double calm_seconds = burst_seconds * (1 - kShare) / kShare;
  const double calm_rate = traffic.rate * (1 - peak * kShare) / (1 - kShare);
  Source source(traffic, seed);
  bool burst = false;
  for (double start = 0; start < seconds; burst = !burst) {
    const double rate = burst ? peak * traffic.rate : calm_rate;
    const double end = start + source.Exponential(burst ? burst_seconds : calm_seconds);
    // The process has no memory: it starts anew in each state.
    for (double now = start + source.Exponential(1 / rate); now < std::min(end, seconds);
         now += source.Exponential(1 / rate)) {
      source.SendAt(now);
    }
    start = end;
  }
  return std::move(source.requests);
}

std::vector<Request> Merge(const std::vector<Request>& a, const std::vector<Request>& b) {
  std::vector<Request> merged;
  std::merge(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(merged),
             [](const Request& x, const Request& y) { return x.sent < y.sent; });
  return merged;
}

ClosedLoop::ClosedLoop(int clients, absl::Duration budget, double pause, double seconds,
                       uint64_t seed, int model)
    : budget_(budget),
      end_(absl::UnixEpoch() + absl::Seconds(seconds)),
      model_(model),
      random_(seed),
      pause_(1 / pause) {
  for (int client = 0; client < clients; ++client) {
    next_of_.push_back(absl::UnixEpoch() + Pause());
    next_.insert({next_of_.back(), client});
  }
}

absl::Duration ClosedLoop::Pause() { return absl::Seconds(pause_(random_)); }

absl::Time ClosedLoop::NextAt() const {
  return next_.begin()->first < end_ ? next_.begin()->first : absl::InfiniteFuture();
}

Request ClosedLoop::Take() {
  const auto [now, client] = *next_.begin();
  next_.erase(next_.begin());
  next_of_[client] = now + budget_ + Pause();
  next_.insert({next_of_[client], client});
  return {client, model_, now, now, now + budget_};
}

void ClosedLoop::Answered(const Request& request, absl::Time when) {
  ++answered_;
  absl::Time& next = next_of_[request.id];
  next_.erase({next, request.id});
  next = when + Pause();
  next_.insert({next, request.id});
}

}  // namespace patchserve::simulate
