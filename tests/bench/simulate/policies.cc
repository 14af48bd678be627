#include "tests/bench/simulate/policies.h"

#include <algorithm>
#include <cmath>
#include <deque>

#include "absl/strings/str_cat.h"
#include "server/scheduling/batch_rule.h"

namespace patchserve::simulate {
namespace {

class OurPolicy : public Policy {
 public:
  explicit OurPolicy(const Device& device)
      : rule_({.runners = device.runners, .independent_runners = true}) {
    for (const CostCurve& curve : device.models) {
      std::vector<CostModel::Sample> measured;
      for (int size = 1; size < curve.max_batch; size *= 2) {
        measured.push_back({size, absl::Seconds(curve.seconds(size))});
      }
      measured.push_back({curve.max_batch, absl::Seconds(curve.seconds(curve.max_batch))});
      rule_.AddModel({.max_queued = 4096}, CostModel(measured, curve.max_batch));
    }
  }
  void Push(const Request& request, absl::Time now) override {
    rule_.Push(request.model, request, request.deadline, now);
  }
  Decision Next(absl::Time now, int idle) override {
    auto decision = rule_.Next(now, idle);
    return {.model = decision.model, .batch = std::move(decision.batch), .wake = decision.wake};
  }
  void Done(int model, const std::vector<Request>& batch, absl::Duration took,
            absl::Time) override {
    rule_.Observe(model, static_cast<int>(batch.size()), took);
  }

 private:
  BatchRule<Request> rule_;
};

// What the peers share: a first-in-first-out queue a model, served in turn by who has
// waited longest.
class FifoPolicy : public Policy {
 public:
  explicit FifoPolicy(const Device& device) : device_(device), queues_(device.models.size()) {}

  void Push(const Request& request, absl::Time now) override {
    queues_[request.model].push_back({request, now});
  }

  Decision Next(absl::Time now, int) override {
    Decision decision;
    int chosen = -1;
    for (int model = 0; model < static_cast<int>(queues_.size()); ++model) {
      Drop(model, now);
      if (queues_[model].empty()) continue;
      const absl::Time leave = LeaveAt(model, now);
      if (leave > now) {
        decision.wake = std::min(decision.wake, leave);
      } else if (chosen < 0 || queues_[model].front().pushed < queues_[chosen].front().pushed) {
        chosen = model;
      }
    }
    if (chosen < 0) return decision;
    decision.model = chosen;
    const int size = std::min<int>(BatchSize(chosen, now), queues_[chosen].size());
    for (int i = 0; i < size; ++i) {
      decision.batch.push_back(queues_[chosen].front().request);
      queues_[chosen].pop_front();
    }
    decision.run_as = PaddedSize(size);
    return decision;
  }

 protected:
  struct Waiting {
    Request request;
    absl::Time pushed;
  };
  virtual void Drop(int, absl::Time) {}
  virtual absl::Time LeaveAt(int, absl::Time now) const { return now; }
  virtual int BatchSize(int model, absl::Time) const { return device_.models[model].max_batch; }
  virtual int PaddedSize(int size) const { return size; }

  const Device device_;
  std::vector<std::deque<Waiting>> queues_;
};

struct TritonOptions {
  absl::Duration delay = absl::ZeroDuration();
  absl::Duration timeout = absl::InfiniteDuration();
  std::vector<int> preferred;  // ascending
};

class TritonPolicy : public FifoPolicy {
 public:
  TritonPolicy(const Device& device, TritonOptions options)
      : FifoPolicy(device), options_(std::move(options)) {}

 protected:
  void Drop(int model, absl::Time now) override {
    auto& queue = queues_[model];
    while (!queue.empty() && now - queue.front().pushed > options_.timeout) queue.pop_front();
  }
  absl::Time LeaveAt(int model, absl::Time now) const override {
    const auto& queue = queues_[model];
    const int waiting = static_cast<int>(queue.size());
    const int enough =
        options_.preferred.empty() ? device_.models[model].max_batch : options_.preferred.front();
    return waiting >= enough ? now : queue.front().pushed + options_.delay;
  }
  int BatchSize(int model, absl::Time) const override {
    const int waiting = static_cast<int>(queues_[model].size());
    int size = std::min(waiting, device_.models[model].max_batch);
    for (int preferred : options_.preferred) {
      if (preferred <= waiting) size = preferred;
    }
    return size;
  }

 private:
  const TritonOptions options_;
};

class TfServingPolicy : public FifoPolicy {
 public:
  TfServingPolicy(const Device& device, absl::Duration timeout, std::vector<int> allowed)
      : FifoPolicy(device), timeout_(timeout), allowed_(std::move(allowed)) {}

 protected:
  absl::Time LeaveAt(int model, absl::Time now) const override {
    const auto& queue = queues_[model];
    const bool full = static_cast<int>(queue.size()) >= allowed_.back();
    return full ? now : queue.front().pushed + timeout_;
  }
  int BatchSize(int, absl::Time) const override { return allowed_.back(); }
  int PaddedSize(int size) const override {
    return *std::lower_bound(allowed_.begin(), allowed_.end(), size);
  }

 private:
  const absl::Duration timeout_;
  const std::vector<int> allowed_;
};

class AimdPolicy : public FifoPolicy {
 public:
  AimdPolicy(const Device& device, absl::Duration objective)
      : FifoPolicy(device), objective_(objective) {}
  void Done(int model, const std::vector<Request>& batch, absl::Duration took,
            absl::Time) override {
    const double most = device_.models[model].max_batch;
    if (took > objective_) {
      largest_ = std::max(1.0, largest_ * 0.9);
    } else if (static_cast<int>(batch.size()) >= static_cast<int>(largest_)) {
      largest_ = std::min(most, largest_ + 1);
    }
  }

 protected:
  int BatchSize(int, absl::Time) const override { return static_cast<int>(largest_); }

 private:
  const absl::Duration objective_;
  double largest_ = 1;
};

class DeferredPolicy : public Policy {
 public:
  explicit DeferredPolicy(const Device& device) : device_(device), queues_(device.models.size()) {}

  void Push(const Request& request, absl::Time) override {
    auto& queue = queues_[request.model];
    queue.insert(std::upper_bound(
                     queue.begin(), queue.end(), request,
                     [](const Request& a, const Request& b) { return a.deadline < b.deadline; }),
                 request);
  }

  Decision Next(absl::Time now, int) override {
    Decision decision;
    int chosen = -1, chosen_size = 0;
    for (int model = 0; model < static_cast<int>(queues_.size()); ++model) {
      auto& queue = queues_[model];
      while (!queue.empty() && now + Time(model, 1) > queue.front().deadline) queue.pop_front();
      if (queue.empty()) continue;
      int size = std::min<int>(queue.size(), device_.models[model].max_batch);
      while (size > 1 && now + Time(model, size) > queue.front().deadline) --size;
      // One more would make the first one late from here on.
      const int next = std::min(size + 1, device_.models[model].max_batch);
      const absl::Time leave = size == device_.models[model].max_batch
                                   ? now
                                   : queue.front().deadline - Time(model, next);
      if (leave > now) {
        decision.wake = std::min(decision.wake, leave);
      } else if (chosen < 0 || queue.front().deadline < queues_[chosen].front().deadline) {
        chosen = model;
        chosen_size = size;
      }
    }
    if (chosen < 0) return decision;
    decision.model = chosen;
    auto& queue = queues_[chosen];
    decision.batch.assign(queue.begin(), queue.begin() + chosen_size);
    queue.erase(queue.begin(), queue.begin() + chosen_size);
    return decision;
  }

 private:
  // With the same allowance for noise that the others have by their options.
  absl::Duration Time(int model, int size) const {
    return absl::Seconds(device_.models[model].seconds(size) * (1 + device_.noise));
  }
  const Device device_;
  std::vector<std::deque<Request>> queues_;
};

template <typename P, typename... Args>
MakePolicy Make(Args... args) {
  return [args...](const Device& device) { return std::make_unique<P>(device, args...); };
}

std::string Ms(absl::Duration duration) {
  return duration == absl::InfiniteDuration() ? "none" : absl::FormatDuration(duration);
}

}  // namespace

MakePolicy Ours() { return Make<OurPolicy>(); }

std::vector<Candidate> Peers(absl::Duration single, absl::Duration budget, int max_batch) {
  std::vector<Candidate> peers;
  const absl::Duration none = absl::InfiniteDuration();
  const absl::Duration slack = std::max(absl::ZeroDuration(), budget - 1.1 * single);
  for (absl::Duration timeout : {none, slack, slack / 2}) {
    for (double delay : {0.0, 0.25, 0.5, 1.0, 2.0}) {
      for (int preferred : {0, 8, max_batch}) {
        TritonOptions options{.delay = delay * single, .timeout = timeout};
        if (preferred > 0) options.preferred = {preferred};
        peers.push_back({"triton",
                         absl::StrCat("delay ", Ms(options.delay), ", timeout ", Ms(timeout),
                                      ", preferred ", preferred),
                         timeout == none && delay == 0 && preferred == 0,
                         Make<TritonPolicy>(options)});
      }
    }
  }
  std::vector<int> powers;
  for (int size = 1; size < max_batch; size *= 2) powers.push_back(size);
  powers.push_back(max_batch);
  for (double timeout : {0.0, 0.25, 0.5, 1.0, 2.0}) {
    peers.push_back({"tf-serving", absl::StrCat("timeout ", Ms(timeout * single)), false,
                     Make<TfServingPolicy>(timeout * single, powers)});
  }
  peers.push_back({"greedy", "", true, Make<FifoPolicy>()});
  for (double share : {0.3, 0.5, 0.7, 0.9}) {
    peers.push_back({"aimd", absl::StrCat("objective ", Ms(share * budget)), false,
                     Make<AimdPolicy>(share * budget)});
  }
  peers.push_back({"deferred", "", true, Make<DeferredPolicy>()});
  return peers;
}

}  // namespace patchserve::simulate
