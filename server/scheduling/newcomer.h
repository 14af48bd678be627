// What an item would find at the device if it came now: the arithmetic behind the
// admission rule's Load.
#pragma once

#include <algorithm>
#include <vector>

#include "absl/time/time.h"
#include "server/scheduling/admission_rule.h"
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
};

// A device at a moment.
template <typename Item>
struct DeviceState {
  const std::vector<ModelQueue<Item>>& queues;  // by model
  int runners = 1;
  RunnerState running;
  absl::Time now;
};

// An item of `model` with this deadline. While there is time for all, the batches of all models
// that are due earlier go before it. Else the models take turns (batch_rule.h): then it waits for
// its own model's, and as much of the others' as fits beside them.
template <typename Item>
class Newcomer {
 public:
  Newcomer(const DeviceState<Item>& device, int model, absl::Time deadline)
      : device_(device),
        demand_(device.queues, device.runners, device.now),
        own_(device.queues[model]),
        deadline_(deadline) {
    if (!demand_.scarce()) return;
    for (const Queue& other : device_.queues) {
      if (&other != &own_) others_ += other.TimeOf(other.expected + other.waiting());
    }
    share_ = demand_.FairShare(own_);
    if (IsNext()) own_turn_ = own_.cost.Expected(own_.UsualSize());
  }

  Load Finds() const {
    const int size = own_.UsualSize(), before = own_.Before(deadline_);
    Load load;
    load.places = own_.expected + own_.waiting();
    load.max_places = own_.max_queued;
    load.idle = device_.running.idle == device_.runners && NothingWaits();
    if (device_.running.idle == 0) load.running = device_.running.least;
    const absl::Duration own = before / size * own_.cost.Expected(size);
    const absl::Duration joined = own_.cost.Expected(before % size + 1);
    const absl::Duration ahead = own + OthersBefore(own_, own + joined, deadline_);
    if (ahead > absl::ZeroDuration()) {
      load.ahead = std::max((device_.running.sum + ahead) / device_.runners - load.running,
                            absl::ZeroDuration());
    }
    load.run = own_.cost.Expected(BatchOf(before % size + 1, size, load.running + load.ahead));
    load.least = own_.cost.Fastest();
    load.slip = own_.punctuality.factor();
    return load;
  }

  // Whether it would make one late that may still be in time, with a later deadline, so that the
  // newcomer goes before it. All that runs before an item may take as long as nearly all do: who
  // was taken in is to be in time for sure. Takes time in proportion to what waits.
  bool MakesOthersLate() const {
    const int before = own_.Before(deadline_);
    const absl::Duration one_more = own_.TimeOf(before + 1) - own_.TimeOf(before);
    for (const Queue& queue : device_.queues) {
      const bool own = &queue == &own_;
      if (demand_.scarce() && !own) continue;
      const double slip = std::max(queue.punctuality.factor(),
                                   absl::FDivDuration(queue.cost.Safe(1), queue.cost.Expected(1)));
      for (int i = queue.Before(deadline_); i < queue.expected + queue.waiting(); ++i) {
        const absl::Time due = queue.entries[i - queue.expected].deadline;
        const absl::Duration left = due - device_.now, done = Done(queue, i + 1, due);
        const absl::Duration then =
            own ? Done(queue, i + 2, due) : done + one_more / device_.runners;
        if (then > done && done <= left && slip * then > left) return true;
      }
    }
    return false;
  }

 private:
  using Queue = ModelQueue<Item>;

  bool NothingWaits() const {
    return std::all_of(device_.queues.begin(), device_.queues.end(),
                       [](const Queue& queue) { return queue.expected + queue.waiting() == 0; });
  }

  // How much of the other models goes before `own` time of `queue`, due at `deadline`; under
  // overload `queue` is its own.
  absl::Duration OthersBefore(const Queue& queue, absl::Duration own, absl::Time deadline) const {
    if (demand_.scarce()) {
      return std::min(others_, (own - std::min(own, own_turn_)) * (1 / share_ - 1));
    }
    absl::Duration others = absl::ZeroDuration();
    for (const Queue& other : device_.queues) {
      if (&other != &queue) others += other.TimeOf(other.Before(deadline));
    }
    return others;
  }

  // Whether the next turn is its model's.
  bool IsNext() const {
    return std::none_of(device_.queues.begin(), device_.queues.end(), [&](const Queue& other) {
      return other.waiting() > 0 && other.used < own_.used;
    });
  }

  // The size of a batch that has `now` items and starts after `wait`: others will join it, as many
  // as come until then, but no more than can be gathered and run within the usual budget.
  int BatchOf(int now, int most, absl::Duration wait) const {
    const double second = demand_.Rate(own_);
    int size = now;
    while (size < most && size < now + second * absl::ToDoubleSeconds(wait) &&
           own_.cost.Expected(size + 1) + absl::Seconds(size / second) <=
               own_.arrivals.usual_budget()) {
      ++size;
    }
    return size;
  }

  // In how long the first so many of a queue, the last of them due then, will probably be done.
  absl::Duration Done(const Queue& queue, int items, absl::Time due) const {
    const absl::Duration own = queue.TimeOf(items);
    return (device_.running.sum + own + OthersBefore(queue, own, due)) / device_.runners;
  }

  const DeviceState<Item>& device_;
  const Demand<Item> demand_;
  const Queue& own_;
  const absl::Time deadline_;
  // Under overload: all that waits of other models, its model's part of the device, and what its
  // model does before their next turn.
  absl::Duration others_ = absl::ZeroDuration();
  double share_ = 1;
  absl::Duration own_turn_ = absl::ZeroDuration();
};

}  // namespace patchserve
