#include "tests/bench/simulate/simulation.h"

#include <algorithm>
#include <cmath>
#include <queue>
#include <random>

namespace patchserve::simulate {
namespace {

struct Running {
  absl::Time end;
  int model;
  absl::Duration took;
  std::vector<Request> batch;
  bool operator>(const Running& other) const { return end > other.end; }
};

struct LaterReady {
  bool operator()(const Request& a, const Request& b) const { return a.ready > b.ready; }
};

}  // namespace

double Result::Percentile(double share) const {
  if (latencies.empty()) return std::nan("");
  std::vector<double> sorted = latencies;
  const size_t rank = std::min(sorted.size() - 1, static_cast<size_t>(share * sorted.size()));
  std::nth_element(sorted.begin(), sorted.begin() + rank, sorted.end());
  return sorted[rank];
}

Result Run(const Device& device, Policy& policy,
           const std::function<std::optional<Request>()>& next, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> noise(1 - device.noise, 1 + device.noise);
  std::priority_queue<Running, std::vector<Running>, std::greater<>> running;
  std::priority_queue<Request, std::vector<Request>, LaterReady> decoding;
  std::optional<Request> coming = next();
  Result result;
  const absl::Time first = coming ? coming->sent : absl::UnixEpoch();
  absl::Time last = first, wake = absl::InfiniteFuture();

  while (coming || !decoding.empty() || !running.empty() || wake < absl::InfiniteFuture()) {
    absl::Time now = wake;
    if (coming) now = std::min(now, coming->sent);
    if (!decoding.empty()) now = std::min(now, decoding.top().ready);
    if (!running.empty()) now = std::min(now, running.top().end);
    while (coming && coming->sent <= now) {
      last = coming->sent;
      ++result.sent;
      decoding.push(*coming);
      coming = next();
    }
    while (!decoding.empty() && decoding.top().ready <= now) {
      policy.Push(decoding.top(), now);
      decoding.pop();
    }
    while (!running.empty() && running.top().end <= now) {
      const Running& done = running.top();
      for (const Request& request : done.batch) {
        if (done.end > request.deadline) continue;
        ++result.in_time;
        result.latencies.push_back(absl::ToDoubleSeconds(done.end - request.sent));
      }
      policy.Done(done.model, done.batch, done.took, now);
      running.pop();
    }
    wake = absl::InfiniteFuture();
    while (static_cast<int>(running.size()) < device.runners) {
      auto decision = policy.Next(now, device.runners - static_cast<int>(running.size()));
      if (decision.model < 0) {
        wake = decision.wake <= now ? now + absl::Microseconds(1) : decision.wake;
        break;
      }
      const int size = std::max(decision.run_as, static_cast<int>(decision.batch.size()));
      const absl::Duration took =
          absl::Seconds(device.models[decision.model].seconds(size) * noise(random));
      ++result.batches;
      result.run += static_cast<int64_t>(decision.batch.size());
      running.push({now + took, decision.model, took, std::move(decision.batch)});
    }
  }
  result.seconds = std::max(1e-9, absl::ToDoubleSeconds(last - first));
  return result;
}

}  // namespace patchserve::simulate
