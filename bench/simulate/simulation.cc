#include "bench/simulate/simulation.h"

#include <algorithm>
#include <cmath>
#include <queue>
#include <random>
#include <set>
#include <tuple>

namespace patchserve::simulate {
namespace {

struct Running {
  absl::Time end;
  int runner;
  int model;
  absl::Duration took;
  std::vector<Request> batch;
  bool operator>(const Running& other) const { return end > other.end; }
};

struct LaterReady {
  bool operator()(const Request& a, const Request& b) const { return a.ready > b.ready; }
};

class Simulation {
 public:
  Simulation(const Device& device, Policy& policy, Workload& workload, uint64_t seed)
      : device_(device),
        policy_(policy),
        workload_(workload),
        random_(seed),
        noise_(1 - device.noise, 1 + device.noise) {
    for (int runner = 0; runner < device.runners; ++runner) idle_.insert(runner);
    result_.latencies.resize(device.models.size());
  }

  Result Run() {
    const absl::Time first = workload_.NextAt();
    absl::Time last = first;
    for (absl::Time now = first; now < absl::InfiniteFuture(); now = NextEvent()) {
      while (workload_.NextAt() <= now) {
        last = workload_.NextAt();
        Send(workload_.Take(), now);
      }
      for (; !decoding_.empty() && decoding_.top().ready <= now; decoding_.pop()) {
        Push(decoding_.top(), now);
      }
      FinishBatches(now);
      StartBatches(now);
    }
    result_.seconds = std::max(1e-9, absl::ToDoubleSeconds(last - first));
    return std::move(result_);
  }

 private:
  absl::Time NextEvent() const {
    absl::Time next = std::min(wake_, workload_.NextAt());
    if (!decoding_.empty()) next = std::min(next, decoding_.top().ready);
    if (!running_.empty()) next = std::min(next, running_.top().end);
    return next;
  }

  void Send(const Request& request, absl::Time now) {
    ++result_.sent;
    if (!policy_.Admit(request, now)) {
      Refuse();
      return workload_.Refused(request, now, policy_.Pause());
    }
    if (request.ready <= now) {
      Push(request, now);
    } else {
      decoding_.push(request);
    }
  }

  void Push(const Request& request, absl::Time now) {
    if (!policy_.Push(request, now)) Refuse();
  }

  void Refuse() {
    ++result_.dropped;
    ++result_.refused;
  }

  void FinishBatches(absl::Time now) {
    for (; !running_.empty() && running_.top().end <= now; running_.pop()) {
      const Running& done = running_.top();
      for (const Request& request : done.batch) {
        if (done.end > request.deadline) continue;
        result_.latencies[done.model].push_back(absl::ToDoubleSeconds(done.end - request.sent));
        workload_.Answered(request, done.end);
      }
      idle_.insert(done.runner);
      policy_.Done(done.model, static_cast<int>(done.batch.size()), done.took);
    }
  }

  void StartBatches(absl::Time now) {
    wake_ = absl::InfiniteFuture();
    while (!idle_.empty()) {
      auto decision = policy_.Next(now, static_cast<int>(idle_.size()));
      result_.dropped += decision.dropped;
      if (decision.model < 0) {
        wake_ = std::max(decision.wake, now + absl::Microseconds(1));
        return;
      }
      const int runner = *idle_.begin();
      idle_.erase(idle_.begin());
      const absl::Time start = device_.shared ? std::max(now, device_free_) : now;
      const absl::Time end = start + absl::Seconds(Seconds(decision, runner));
      device_free_ = end;
      ++result_.batches;
      result_.run += static_cast<int64_t>(decision.batch.size());
      running_.push({end, runner, decision.model, end - now, std::move(decision.batch)});
    }
  }

  // How long the device is at it.
  double Seconds(const Policy::Decision& decision, int runner) {
    const CostCurve& curve = device_.models[decision.model];
    const int size = std::max(decision.run_as, static_cast<int>(decision.batch.size()));
    const bool padded = decision.run_as == 0 || !curve.exact;
    double seconds = (padded ? curve.seconds(size) : curve.exact(size)) * noise_(random_);
    if (!padded && !std::binary_search(curve.warmed.begin(), curve.warmed.end(), size) &&
        used_.insert({runner, decision.model, size}).second) {
      seconds += curve.first_use;
    }
    return seconds;
  }

  const Device& device_;
  Policy& policy_;
  Workload& workload_;
  std::mt19937_64 random_;
  std::uniform_real_distribution<double> noise_;
  std::priority_queue<Running, std::vector<Running>, std::greater<>> running_;
  std::priority_queue<Request, std::vector<Request>, LaterReady> decoding_;
  std::set<int> idle_;  // runners
  absl::Time device_free_ = absl::InfinitePast();
  std::set<std::tuple<int, int, int>> used_;  // runner, model, size; only sizes that aren't warmed
  absl::Time wake_ = absl::InfiniteFuture();
  Result result_;
};

}  // namespace

double CostCurve::best_each() const {
  double best = seconds(1);
  for (int size = 2; size <= max_batch; ++size) best = std::min(best, seconds(size) / size);
  return best;
}

int64_t Result::in_time() const {
  int64_t count = 0;
  for (const auto& of_model : latencies) count += static_cast<int64_t>(of_model.size());
  return count;
}

double Result::Percentile(double share) const {
  std::vector<double> all;
  for (const auto& of_model : latencies) all.insert(all.end(), of_model.begin(), of_model.end());
  return Percentile(share, std::move(all));
}

double Result::Percentile(double share, std::vector<double> latencies) {
  if (latencies.empty()) return std::nan("");
  const size_t rank = std::min(latencies.size() - 1, static_cast<size_t>(share * latencies.size()));
  std::nth_element(latencies.begin(), latencies.begin() + rank, latencies.end());
  return latencies[rank];
}

Result Run(const Device& device, Policy& policy, Workload& workload, uint64_t seed) {
  return Simulation(device, policy, workload, seed).Run();
}

}  // namespace patchserve::simulate
