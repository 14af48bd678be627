#include "bench/simulate/fifo_policy.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <vector>

namespace patchserve::simulate {
namespace {

class FifoPolicy : public Policy {
 public:
  FifoPolicy(const Device& device, const FifoOptions& options)
      : device_(device), options_(options), queues_(device.models.size()) {
    for (size_t model = 0; model < queues_.size(); ++model) {
      queues_[model].single = absl::Seconds(device.models[model].seconds(1));
      queues_[model].needed = 1.1 * queues_[model].single;
      queues_[model].delay = options.delay * queues_[model].single;
      queues_[model].largest = std::min(options.largest, device.models[model].max_batch);
      if (options.objective < kNever) queues_[model].limit = 1;
    }
  }

  bool Push(const Request& request, absl::Time now) override {
    Queue& queue = queues_[request.model];
    if (static_cast<int>(queue.waiting.size()) >= options_.most_queued) return false;
    absl::Time reject = absl::InfiniteFuture();
    if (options_.timeout < kNever) {
      reject = now + options_.timeout * (request.deadline - request.sent - queue.needed);
    }
    queue.waiting.push_back({request, now, reject});
    return true;
  }

  Decision Next(absl::Time now, int) override {
    Decision decision;
    int chosen = -1;
    for (int model = 0; model < static_cast<int>(queues_.size()); ++model) {
      auto& waiting = queues_[model].waiting;
      for (; !waiting.empty() && waiting.front().reject < now; waiting.pop_front()) {
        ++decision.dropped;
      }
      if (waiting.empty()) continue;
      const absl::Time leave = LeaveAt(queues_[model], now);
      if (leave > now) {
        decision.wake = std::min(decision.wake, leave);
      } else if (chosen < 0 || waiting.front().pushed < queues_[chosen].waiting.front().pushed) {
        chosen = model;
      }
    }
    if (chosen >= 0) TakeBatch(chosen, now, decision);
    return decision;
  }

  void Done(int model, int size, absl::Duration took) override {
    Queue& queue = queues_[model];
    if (options_.objective == kNever) return;
    if (took > options_.objective * queue.single) {
      queue.limit = std::max(1.0, queue.limit * 0.9);
    } else if (size >= static_cast<int>(queue.limit)) {
      queue.limit = std::min<double>(queue.limit + 1, queue.largest);
    }
  }

 private:
  struct Waiting {
    Request request;
    absl::Time pushed;
    absl::Time reject;
  };
  struct Queue {
    std::deque<Waiting> waiting;
    absl::Duration single;  // the time of a batch of one
    absl::Duration needed;  // that, with something to spare
    absl::Duration delay;
    int largest = 0;
    double limit = 1 << 20;  // what is learned
  };

  absl::Time LeaveAt(const Queue& queue, absl::Time now) const {
    if (static_cast<int>(queue.waiting.size()) >= std::min(options_.enough, queue.largest)) {
      return now;
    }
    return queue.waiting.front().pushed + queue.delay;
  }

  void TakeBatch(int model, absl::Time now, Decision& decision) {
    Queue& queue = queues_[model];
    decision.model = model;
    int most = std::min(queue.largest, static_cast<int>(queue.limit));
    // Of a preferred size, unless the delay is over.
    const bool over = now >= queue.waiting.front().pushed + queue.delay;
    if (!over || options_.delay == 0) most = std::min(most, options_.enough);
    while (!queue.waiting.empty() && static_cast<int>(decision.batch.size()) < most) {
      if (queue.waiting.front().reject < now) {
        ++decision.dropped;
      } else {
        decision.batch.push_back(queue.waiting.front().request);
      }
      queue.waiting.pop_front();
    }
    // Where the device pads, its sizes are the allowed ones.
    if (!options_.padded || !device_.models[model].warmed.empty()) return;
    decision.run_as = 1;
    while (decision.run_as < static_cast<int>(decision.batch.size())) decision.run_as *= 2;
    decision.run_as = std::min(decision.run_as, queue.largest);
  }

  const Device& device_;
  const FifoOptions options_;
  std::vector<Queue> queues_;
};

}  // namespace

MakePolicy Fifo(const FifoOptions& options) {
  return [=](const Device& device) { return std::make_unique<FifoPolicy>(device, options); };
}

}  // namespace patchserve::simulate
