// In which batches the queues of a device will probably run: what admission promises by.
//
// A walk through the queue that makes batches as the batch rule does, the test of whether all of
// a set of tasks are in time that is known from real-time systems (Liu and Layland, 1973).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
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
    int size = 0;
    absl::Duration start;  // from now
    int late = 0;          // of its items may be; the extra one isn't counted
    int extra_is = 0;      // the extra one's place among them, from 1 on; 0: it isn't there
  };
  // An item that is not in its queue.
  struct Extra {
    const Queue* queue = nullptr;
    absl::Time deadline;
    absl::Duration ready = absl::ZeroDuration();  // when it has been decoded; from now
  };

  // Both must outlive it.
  Timetable(const DeviceState<Item>& device, const Demand<Item>& demand)
      : device_(device), demand_(demand) {
    for (const Queue& queue : device_.queues) {
      sizes_.push_back(queue.UsualSize(demand_.worthwhile()));
      usual_sizes_.push_back(demand_.scarce() ? queue.UsualSize() : sizes_.back());
    }
  }

  // Of all that waits in `queue` or is on its way there, with `extra` (in this queue, or another)
  // or without (null). Takes time in proportion to the queue's length and the number of batches.
  std::vector<Batch> Batches(const Queue& queue, const Extra* extra) const {
    std::vector<Entry> left = Entries(queue, extra);
    std::vector<Batch> batches;
    absl::Duration before = absl::ZeroDuration();  // of the device, of this queue
    while (!left.empty()) {
      const absl::Duration free = Start(queue, before, left.front().due, extra);
      const absl::Duration start = std::max(free, FirstReady(left));
      batches.push_back(TakeBatch(queue, start, left));
      before += queue.cost.Expected(batches.back().size) + (start - free) * device_.runners;
    }
    return batches;
  }

  // The size of batches where many wait.
  int UsualSize(const Queue& queue) const { return sizes_[IndexOf(queue)]; }

  // The standard deviation of what is left of the batch under way, and of `after` that follows.
  absl::Duration Deviation(const Queue& queue, absl::Duration after) const {
    return queue.cost.Deviation() * (Underway(queue) + after);
  }

 private:
  struct Entry {
    absl::Time due;
    absl::Duration ready;  // from now
    bool extra = false;

    bool operator<(const Entry& other) const { return due < other.due; }
  };

  std::vector<Entry> Entries(const Queue& queue, const Extra* extra) const {
    std::vector<Entry> all;
    all.reserve(queue.places() + 1);
    for (const auto& item : queue.expected) {
      all.push_back({item.deadline, std::max(item.ready - device_.now, absl::ZeroDuration())});
    }
    const auto waiting = all.insert(all.end(), queue.entries.size(), {});
    std::transform(queue.entries.begin(), queue.entries.end(), waiting,
                   [](const auto& entry) { return Entry{entry.deadline}; });
    std::inplace_merge(all.begin(), waiting, all.end());
    if (extra != nullptr && extra->queue == &queue) {
      const Entry entry{extra->deadline, extra->ready, true};
      all.insert(std::upper_bound(all.begin(), all.end(), entry), entry);
    }
    return all;
  }

  static absl::Duration FirstReady(const std::vector<Entry>& entries) {
    absl::Duration first = absl::InfiniteDuration();
    for (const Entry& entry : entries) {
      if (entry.ready == absl::ZeroDuration()) return entry.ready;
      first = std::min(first, entry.ready);
    }
    return first;
  }

  // The batch that starts then, of those that are ready; they are taken out.
  Batch TakeBatch(const Queue& queue, absl::Duration start, std::vector<Entry>& left) const {
    const auto ready = [&](const Entry& entry) { return entry.ready <= start; };
    const auto first = std::find_if(left.begin(), left.end(), ready);
    int most = 0;
    for (auto it = first; it != left.end() && most < UsualSize(queue); ++it) most += ready(*it);
    // By when it has ended for sure.
    const auto ended = [&](int size) {
      const absl::Duration ends = start + queue.cost.Expected(size);
      return device_.now + ends +
             queue.punctuality.margin() * Deviation(queue, ends - device_.running.wait());
    };
    Batch batch{ForNothing(queue.cost, LargestInTime(ended, first->due, most), most), start};
    const absl::Time end = ended(batch.size);
    auto last = first;
    for (int taken = 0; taken < batch.size; ++last) {
      if (!ready(*last)) continue;
      ++taken;
      if (last->extra) batch.extra_is = taken;
      batch.late += last->due < end && !last->extra;
    }
    left.erase(std::remove_if(first, last, ready), last);
    return batch;
  }

  // The largest batch up to `most` that has ended when its first is due, or 1.
  template <typename Ended>
  static int LargestInTime(const Ended& ended, absl::Time due, int most) {
    int size = 1;
    while (size < most) {
      const int middle = (size + most + 1) / 2;
      ended(middle) <= due ? size = middle : most = middle - 1;
    }
    return size;
  }

  // How long the batch under way takes in all: about as long as a usual one.
  absl::Duration Underway(const Queue& queue) const {
    if (device_.running.idle > 0) return absl::ZeroDuration();
    return queue.cost.Expected(usual_sizes_[IndexOf(queue)]);
  }

  // When a batch starts that has `before` of its own model before it, and is due then.
  absl::Duration Start(const Queue& queue, absl::Duration before, absl::Time due,
                       const Extra* extra) const {
    absl::Duration all = before;
    for (const Queue& other : device_.queues) {
      if (&other == &queue) continue;
      all += demand_.scarce() ? TurnsBefore(other, queue, before) : DueBefore(other, due, extra);
    }
    const absl::Duration wait = device_.running.wait();
    if (all == absl::ZeroDuration()) return wait;
    return std::max((device_.running.sum + all) / device_.runners, wait);
  }

  absl::Duration DueBefore(const Queue& queue, absl::Time due, const Extra* extra) const {
    const bool more = extra != nullptr && extra->queue == &queue && extra->deadline < due;
    return TimeOf(queue, queue.Before(due) + more);
  }

  // What a model does until it is the turn of `next`, which until then has had `before` more of the
  // device: of what waits, and comes meanwhile.
  absl::Duration TurnsBefore(const Queue& queue, const Queue& next, absl::Duration before) const {
    const absl::Duration behind = next.used + before - queue.used;
    if (behind < absl::ZeroDuration()) return absl::ZeroDuration();
    const absl::Duration meanwhile =
        std::min(device_.running.wait() + behind, queue.arrivals.usual_budget());
    const double coming = demand_.Rate(queue) * absl::ToDoubleSeconds(meanwhile);
    const absl::Duration all = TimeOf(queue, queue.places() + static_cast<int>(coming));
    const absl::Duration turn = std::min(queue.cost.Expected(usual_sizes_[IndexOf(queue)]), all);
    if (turn <= absl::ZeroDuration()) return turn;
    // Of two who have had the same the first one goes first.
    const double turns = absl::FDivDuration(behind, turn);
    const bool first = IndexOf(queue) < IndexOf(next);
    return std::min((first ? std::floor(turns) + 1 : std::ceil(turns)) * turn, all);
  }

  absl::Duration TimeOf(const Queue& queue, int images) const {
    return queue.TimeOf(images, usual_sizes_[IndexOf(queue)]);
  }
  size_t IndexOf(const Queue& queue) const { return &queue - device_.queues.data(); }

  const DeviceState<Item>& device_;
  const Demand<Item>& demand_;
  // By model: of batches now, and of those where there is time for all.
  std::vector<int> sizes_, usual_sizes_;
};

}  // namespace patchserve
