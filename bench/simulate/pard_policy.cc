#include "bench/simulate/pard_policy.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <vector>

namespace patchserve::simulate {
namespace {

constexpr double kWindowBatches = 20;             // over which the load is measured
constexpr double kOverload = 1.05, kCalm = 0.95;  // of the device's capacity

class PardPolicy : public Policy {
 public:
  PardPolicy(const Device& device, const PardOptions& options)
      : device_(device), options_(options), queues_(device.models.size()) {
    for (size_t model = 0; model < queues_.size(); ++model) {
      const CostCurve& curve = device.models[model];
      Queue& queue = queues_[model];
      // With the same allowance for noise that the others have by their options.
      for (int size = 1; size <= curve.max_batch; ++size) {
        queue.times.push_back(absl::Seconds(curve.seconds(size) * (1 + device.noise)));
      }
      while (queue.planned < curve.max_batch &&
             queue.Time(queue.planned + 1) * (1 + options.stagger) <=
                 queue.Time(1) * options.budget) {
        ++queue.planned;
      }
      window_ = std::max(window_, kWindowBatches * queue.Time(queue.planned));
    }
  }

  bool Push(const Request& request, absl::Time now) override {
    Queue& queue = queues_[request.model];
    CountArrival(queue.Each(), now);
    if (options_.on_arrival && AnswerAt(request, now) > request.deadline) return false;
    queue.waiting.insert(queue.After(request.deadline), request);
    return true;
  }

  Decision Next(absl::Time now, int) override {
    Decision decision;
    int first = 0;  // of the batch, in its queue
    absl::Time earliest = absl::InfiniteFuture();
    for (int model = 0; model < static_cast<int>(queues_.size()); ++model) {
      Queue& queue = queues_[model];
      decision.dropped += Drop(queue, now);
      if (queue.waiting.empty()) continue;
      const int begin = overloaded_ ? BeginOfHighest(queue, now) : 0;
      if (queue.waiting[begin].deadline >= earliest) continue;
      earliest = queue.waiting[begin].deadline;
      first = begin;
      decision.model = model;
    }
    if (decision.model < 0) return decision;
    Queue& queue = queues_[decision.model];
    const auto begin = queue.waiting.begin() + first;
    const auto end = begin + std::min<int>(queue.planned, queue.waiting.end() - begin);
    decision.batch.assign(begin, end);
    queue.waiting.erase(begin, end);
    const int size = static_cast<int>(decision.batch.size());
    running_.push_back({decision.model, size, now + queue.Time(size)});
    return decision;
  }

  void Done(int model, int size, absl::Duration) override {
    running_.erase(std::find_if(running_.begin(), running_.end(), [&](const Running& r) {
      return r.model == model && r.size == size;
    }));
  }

 private:
  struct Queue {
    std::deque<Request> waiting;  // by deadline: the lowest remaining budget first
    std::vector<absl::Duration> times;
    int planned = 1;

    absl::Duration Time(int size) const { return times[size - 1]; }
    absl::Duration Each() const { return Time(planned) / planned; }
    std::deque<Request>::const_iterator After(absl::Time deadline) const {
      return std::upper_bound(waiting.begin(), waiting.end(), deadline,
                              [](absl::Time a, const Request& b) { return a < b.deadline; });
    }
  };
  struct Running {
    int model;
    int size;
    absl::Time until;
  };
  struct Arrival {
    absl::Time at;
    absl::Duration work;
  };

  // Learns the load: the work that came in the window, of what the device could do in it.
  void CountArrival(absl::Duration work, absl::Time now) {
    arrivals_.push_back({now, work});
    work_ += work;
    for (; now - arrivals_.front().at > window_; arrivals_.pop_front()) {
      work_ -= arrivals_.front().work;
    }
    const double load = absl::FDivDuration(work_, window_) / device_.lanes();
    if (load > kOverload) overloaded_ = true;
    if (load < kCalm) overloaded_ = false;
  }

  // When the newcomer would be answered: what goes before it, on all runners together, and
  // then its batch.
  absl::Time AnswerAt(const Request& request, absl::Time now) const {
    absl::Duration before;
    for (const Queue& queue : queues_) {
      const auto earlier = queue.After(request.deadline) - queue.waiting.begin();
      const auto waiting = static_cast<std::ptrdiff_t>(queue.waiting.size());
      before += (overloaded_ ? waiting - earlier : earlier) * queue.Each();
    }
    for (const Running& running : running_) {
      before += std::max(running.until - now, absl::ZeroDuration());
    }
    const Queue& own = queues_[request.model];
    const int size = std::min<int>(own.planned, static_cast<int>(own.waiting.size()) + 1);
    return now + before / device_.lanes() + own.Time(size);
  }

  // Returns how many.
  int Drop(Queue& queue, absl::Time now) const {
    int dropped = 0;
    for (; !queue.waiting.empty(); queue.waiting.pop_front(), ++dropped) {
      const int size =
          overloaded_ ? 1 : std::min<int>(queue.planned, static_cast<int>(queue.waiting.size()));
      if (now + queue.Time(size) <= queue.waiting.front().deadline) break;
    }
    return dropped;
  }

  // Where the batch begins that holds the highest budgets: the largest in which all are in
  // time.
  static int BeginOfHighest(const Queue& queue, absl::Time now) {
    const int waiting = static_cast<int>(queue.waiting.size());
    int size = std::min(queue.planned, waiting);
    while (size > 1 && now + queue.Time(size) > queue.waiting[waiting - size].deadline) --size;
    return waiting - size;
  }

  const Device& device_;
  const PardOptions options_;
  std::vector<Queue> queues_;
  std::vector<Running> running_;
  std::deque<Arrival> arrivals_;  // of the window
  absl::Duration window_, work_;
  bool overloaded_ = false;  // the highest budgets go first
};

}  // namespace

MakePolicy Pard(const PardOptions& options) {
  return [=](const Device& device) { return std::make_unique<PardPolicy>(device, options); };
}

}  // namespace patchserve::simulate
