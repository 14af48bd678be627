// In which batches the queues of a device will probably run: what admission promises by.
//
// A walk through the queue that makes batches as the batch rule does, the test of whether all of
// a set of tasks are in time that is known from real-time systems (Liu and Layland, 1973).
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/time/time.h"
#include "server/scheduling/batch_size.h"
#include "server/scheduling/demand.h"
#include "server/scheduling/model_queue.h"

namespace patchserve {

// A device's runners at a moment.
struct RunnerState {
  int idle = 0;                               // so many are free
  absl::Duration sum = absl::ZeroDuration();  // what is left of the batches under way, together
  absl::Duration least = absl::InfiniteDuration();  // until the next one is done

  // One more batch is under way, for so long; less than zero: it is overdue.
  void Busy(absl::Duration left) {
    sum += std::max(left, absl::ZeroDuration());
    least = std::min(least, std::max(left, absl::ZeroDuration()));
  }

  // Until one is free.
  absl::Duration wait() const { return idle > 0 ? absl::ZeroDuration() : least; }
};

// A device at a moment.
template <typename Item>
struct DeviceState {
  const std::vector<ModelQueue<Item>>& queues;  // by model
  int runners = 1;
  RunnerState running;
  absl::Time now;
};

// While there is time for all, the batches of all models that are due earlier go before one.
// Else the models take turns (batch_rule.h).
template <typename Item>
class Timetable {
 public:
  using Queue = ModelQueue<Item>;

  struct Batch {
    int first = 0, size = 0;  // places in the queue; before all others those who are on their way
    absl::Duration start;     // from now
    int late = 0;             // so many of its items may be late
  };
  // An item that is not in its queue.
  struct Extra {
    const Queue* queue = nullptr;
    absl::Time deadline;
  };

  // Both must outlive it.
  Timetable(const DeviceState<Item>& device, const Demand<Item>& demand)
      : device_(device), demand_(demand) {}

  // Of all that waits in `queue`, with `extra` (in this queue, or another) or without (null).
  // Takes time in proportion to the queue's length.
  std::vector<Batch> Batches(const Queue& queue, const Extra* extra) const {
    const bool inside = extra != nullptr && extra->queue == &queue;
    const int place = inside ? queue.Before(extra->deadline) : 0;
    const int end = queue.expected + queue.waiting() + inside;
    // When those from `first` on are due; of those on their way it isn't known.
    const auto due = [&](int first, int size) {
      const int i = std::max(first, queue.expected);
      if (i >= first + size) return absl::InfiniteFuture();
      if (inside && i == place) return extra->deadline;
      return queue.entries[i - queue.expected - (inside && i > place)].deadline;
    };
    const int usual = UsualSize(queue);
    std::vector<Batch> batches;
    absl::Duration own = absl::ZeroDuration();
    for (int first = 0; first < end; first += batches.back().size) {
      const int most = std::min(usual, end - first);
      const absl::Duration start = Start(queue, own, due(first, most), extra);
      const auto late = [&](int item, int size) {
        const absl::Duration ends = start + queue.cost.Expected(size);
        const absl::Duration margin =
            queue.punctuality.margin() * Deviation(queue, ends - device_.running.wait());
        return device_.now + ends + margin > due(item, first + size - item);
      };
      Batch batch{.first = first, .size = most, .start = start};
      while (batch.size > 1 && late(first, batch.size)) --batch.size;
      batch.size = ForNothing(queue.cost, batch.size, most);
      while (batch.late < batch.size && late(first + batch.late, batch.size)) ++batch.late;
      own += queue.cost.Expected(batch.size);
      batches.push_back(batch);
    }
    return batches;
  }

  // The size of batches where many wait.
  int UsualSize(const Queue& queue) const { return queue.UsualSize(demand_.worthwhile()); }

  // The standard deviation of what is left of the batch under way, which is about a usual one,
  // and of `after` that follows.
  absl::Duration Deviation(const Queue& queue, absl::Duration after) const {
    if (device_.running.idle == 0) after += queue.cost.Expected(queue.UsualSize());
    return queue.cost.Deviation() * after;
  }

 private:
  // Of a batch that has `before` of its own model before it, and is due then.
  absl::Duration Start(const Queue& queue, absl::Duration before, absl::Time due,
                       const Extra* extra) const {
    absl::Duration all = before;
    for (const Queue& other : device_.queues) {
      if (&other != &queue) all += OtherBefore(other, queue.used + before, due, extra);
    }
    const absl::Duration wait = device_.running.wait();
    if (all == absl::ZeroDuration()) return wait;
    return std::max((device_.running.sum + all) / device_.runners, wait);
  }

  // What goes of `queue` before a batch of another model, which is due then and whose model has had
  // so much of the device.
  absl::Duration OtherBefore(const Queue& queue, absl::Duration used, absl::Time due,
                             const Extra* extra) const {
    if (demand_.scarce()) return TurnsBefore(queue, used);
    const bool more = extra != nullptr && extra->queue == &queue && extra->deadline < due;
    return queue.TimeOf(queue.Before(due) + more);
  }

  // What a model does until it has had as much of the device as that: of what waits, and comes
  // meanwhile.
  absl::Duration TurnsBefore(const Queue& queue, absl::Duration used) const {
    if (used <= queue.used) return absl::ZeroDuration();
    const absl::Duration meanwhile =
        std::min(device_.running.wait() + used - queue.used, queue.arrivals.usual_budget());
    const double coming = demand_.Rate(queue) * absl::ToDoubleSeconds(meanwhile);
    const absl::Duration all =
        queue.TimeOf(queue.expected + queue.waiting() + static_cast<int>(coming));
    const absl::Duration turn = std::min(queue.cost.Expected(queue.UsualSize()), all);
    if (turn <= absl::ZeroDuration()) return turn;
    return std::min(std::ceil(absl::FDivDuration(used - queue.used, turn)) * turn, all);
  }

  const DeviceState<Item>& device_;
  const Demand<Item>& demand_;
};

}  // namespace patchserve
