#include "bench/simulate/deferred_policy.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <vector>

namespace patchserve::simulate {
namespace {

class DeferredPolicy : public Policy {
 public:
  DeferredPolicy(const Device& device, double budget, double stagger)
      : device_(device), queues_(device.models.size()) {
    for (int model = 0; model < static_cast<int>(queues_.size()); ++model) {
      int& target = targets_.emplace_back(1);
      const int max_batch = device.models[model].max_batch;
      // With the same allowance for noise that the others have by their options.
      auto& times = times_.emplace_back(1);
      for (int size = 1; size <= max_batch; ++size) {
        times.push_back(absl::Seconds(device.models[model].seconds(size) * (1 + device.noise)));
      }
      while (target < max_batch &&
             Time(model, target + 1) * (1 + stagger) <= Time(model, 1) * budget) {
        ++target;
      }
    }
  }

  bool Push(const Request& request, absl::Time) override {
    auto& queue = queues_[request.model];
    queue.insert(std::upper_bound(
                     queue.begin(), queue.end(), request,
                     [](const Request& a, const Request& b) { return a.deadline < b.deadline; }),
                 request);
    return true;
  }

  Decision Next(absl::Time now, int) override {
    Decision decision;
    int chosen = -1, chosen_size = 0;
    absl::Time chosen_latest;
    for (int model = 0; model < static_cast<int>(queues_.size()); ++model) {
      auto& queue = queues_[model];
      const int max_batch = device_.models[model].max_batch;
      const auto late = [&](int size) {
        return now + Time(model, std::max(size, 1)) > queue.front().deadline;
      };
      for (; !queue.empty() && late(std::min<int>(targets_[model], queue.size()));
           queue.pop_front()) {
        ++decision.dropped;
      }
      if (queue.empty()) continue;
      int size = std::min<int>(queue.size(), max_batch);
      while (size > 1 && late(size)) --size;
      const absl::Time latest = queue.front().deadline - Time(model, size);
      const absl::Time leave =
          size == max_batch ? now : queue.front().deadline - Time(model, size + 1);
      if (leave > now) {
        decision.wake = std::min(decision.wake, leave);
      } else if (chosen < 0 || latest < chosen_latest) {
        chosen = model, chosen_size = size, chosen_latest = latest;
      }
    }
    if (chosen < 0) return decision;
    auto& queue = queues_[chosen];
    decision.model = chosen;
    decision.batch.assign(queue.begin(), queue.begin() + chosen_size);
    queue.erase(queue.begin(), queue.begin() + chosen_size);
    return decision;
  }

 private:
  absl::Duration Time(int model, int size) const { return times_[model][size]; }

  const Device& device_;
  std::vector<std::deque<Request>> queues_;
  std::vector<int> targets_;
  std::vector<std::vector<absl::Duration>> times_;  // by model and size
};

}  // namespace

MakePolicy Deferred(double budget, double stagger) {
  return [=](const Device& device) {
    return std::make_unique<DeferredPolicy>(device, budget, stagger);
  };
}

}  // namespace patchserve::simulate
