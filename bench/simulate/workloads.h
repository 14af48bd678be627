// Requests in virtual time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "bench/simulate/simulation.h"

namespace patchserve::simulate {

struct Traffic {
  int model = 0;
  double rate = 0;                      // requests a second, on average
  std::vector<absl::Duration> budgets;  // each request brings one of them, by chance
  double decode = 0;                    // mean seconds until it is ready; Pareto, shape 1.5
};

// Exponential gaps. From `start` on, `seconds` long.
std::vector<Request> Poisson(const Traffic& traffic, double seconds, uint64_t seed,
                             double start = 0);

// A Markov-modulated Poisson process of two states: bursts at `peak` times the average
// rate take a tenth of the time, in stretches of `burst_seconds` on average.
std::vector<Request> Bursty(const Traffic& traffic, double peak, double burst_seconds,
                            double seconds, uint64_t seed);

// Both, in the order of `sent`.
std::vector<Request> Merge(const std::vector<Request>& a, const std::vector<Request>& b);

// Requests that come whatever becomes of them. `requests` must outlive it.
class OpenLoop : public Workload {
 public:
  explicit OpenLoop(const std::vector<Request>& requests) : requests_(requests) {}
  absl::Time NextAt() const override {
    return next_ < requests_.size() ? requests_[next_].sent : absl::InfiniteFuture();
  }
  Request Take() override { return requests_[next_++]; }

 private:
  const std::vector<Request>& requests_;
  size_t next_ = 0;
};

// The same from clients who come again when they are refused, after the pause that they are
// told and up to a fifth more or less, while that leaves them time.
class Retrying : public Workload {
 public:
  explicit Retrying(OpenLoop& first) : first_(first) {}
  absl::Time NextAt() const override {
    const absl::Time again = again_.empty() ? absl::InfiniteFuture() : again_.begin()->first;
    return std::min(first_.NextAt(), again);
  }
  Request Take() override {
    if (again_.empty() || first_.NextAt() <= again_.begin()->first) return first_.Take();
    return again_.extract(again_.begin()).mapped();
  }
  void Refused(const Request& request, absl::Time now, absl::Duration pause) override {
    const absl::Time when = now + pause * jitter_(random_);
    if (when >= request.deadline) return;
    auto& again = again_.emplace(when, request)->second;
    again.ready = when;
    again.retried = true;
  }

 private:
  OpenLoop& first_;
  std::mt19937_64 random_{11};
  std::uniform_real_distribution<double> jitter_{0.8, 1.2};
  std::multimap<absl::Time, Request> again_;
};

// So many clients, each with one request at a time: it waits for the answer, at most
// until the deadline, pauses for an exponential time, and sends the next.
class ClosedLoop : public Workload {
 public:
  ClosedLoop(int clients, absl::Duration budget, double pause, double seconds, uint64_t seed,
             int model = 0);
  absl::Time NextAt() const override;
  Request Take() override;
  void Answered(const Request& request, absl::Time when) override;
  int clients() const { return static_cast<int>(next_of_.size()); }
  int64_t answered() const { return answered_; }

 private:
  absl::Duration Pause();

  const absl::Duration budget_;
  const absl::Time end_;
  const int model_;
  std::mt19937_64 random_;
  std::exponential_distribution<double> pause_;
  std::set<std::pair<absl::Time, int>> next_;  // when each client sends if it hears nothing
  std::vector<absl::Time> next_of_;            // the same by client, which is a request's id
  int64_t answered_ = 0;
};

// An open loop, whose requests' ids are all larger than those of a closed one, and that
// one beside it. They must outlive it.
class Beside : public Workload {
 public:
  Beside(OpenLoop& open, ClosedLoop& closed) : open_(open), closed_(closed) {}
  absl::Time NextAt() const override { return std::min(open_.NextAt(), closed_.NextAt()); }
  Request Take() override {
    return open_.NextAt() <= closed_.NextAt() ? open_.Take() : closed_.Take();
  }
  void Answered(const Request& request, absl::Time when) override {
    if (request.id < closed_.clients()) closed_.Answered(request, when);
  }

 private:
  OpenLoop& open_;
  ClosedLoop& closed_;
};

}  // namespace patchserve::simulate
