// What an item would find at the device if it came now: the arithmetic behind the
// admission rule's Load.
#pragma once

#include <algorithm>
#include <vector>

#include "absl/time/time.h"
#include "server/scheduling/admission_rule.h"
#include "server/scheduling/batch_size.h"
#include "server/scheduling/model_queue.h"

namespace patchserve {

// A device at a moment.
template <typename Item>
struct DeviceState {
  const std::vector<ModelQueue<Item>>& queues;  // by model
  int runners = 1;
  int idle = 0;            // runners that are free
  absl::Duration running;  // what is left of the batches under way, summed over the runners
  absl::Time now;
};

// An item of `model` with this deadline. Before it go the batches of all models that are
// due earlier, shared by the runners.
template <typename Item>
class Newcomer {
 public:
  Newcomer(const DeviceState<Item>& device, int model, absl::Time deadline)
      : device_(device), own_(device.queues[model]), deadline_(deadline) {}

  Load Finds() const {
    const int before = own_.Before(deadline_), largest = own_.cost.max_batch();
    absl::Duration ahead = absl::ZeroDuration();
    Load load;
    load.places = own_.expected + own_.waiting();
    load.max_places = own_.max_queued;
    load.idle = device_.idle == device_.runners;
    for (const Queue& queue : device_.queues) {
      ahead += queue.TimeOf(queue.Before(deadline_));
      if (&queue != &own_ && SharesTheDevice(queue)) ++load.models;
      if (queue.expected + queue.waiting() > 0) load.idle = false;
    }
    if (ahead > absl::ZeroDuration() || device_.idle == 0) {
      load.wait = (device_.running + ahead) / device_.runners;
    }
    load.own = WithOneMore(before);
    load.run = own_.cost.Safe(Worthwhile(own_.cost, std::min(before + 1, largest), kWorthwhile));
    load.slip = own_.punctuality.factor();
    load.makes_others_late = MakesOthersLate();
    load.crowding = Crowding();
    return load;
  }

 private:
  using Queue = ModelQueue<Item>;

  // A model that nothing came for since doesn't share the device.
  static constexpr absl::Duration kRecently = absl::Seconds(10);

  bool SharesTheDevice(const Queue& queue) const {
    return device_.now - queue.last_expected < kRecently;
  }

  // How long the runners take for so many items of its model and one more; nothing where
  // there are none, since a model's first item has its part of the device in any case.
  absl::Duration WithOneMore(int before) const {
    if (before == 0) return absl::ZeroDuration();
    return own_.TimeOf(before + 1) / device_.runners;
  }

  // What part of the time that a usual item of another model may wait is filled by the
  // items of its own that would go before it, now that one more comes.
  double Crowding() const {
    double most = 0;
    for (const Queue& other : device_.queues) {
      const absl::Duration budget = other.arrivals.usual_budget();
      const absl::Duration may_wait = budget - other.cost.Safe(1);
      if (&other == &own_ || !SharesTheDevice(other)) continue;
      if (deadline_ > device_.now + budget || may_wait <= absl::ZeroDuration()) continue;
      const int before = own_.Before(device_.now + budget);
      most = std::max(most, absl::FDivDuration(WithOneMore(before), may_wait));
    }
    return most;
  }

  // Whether it would make one late that may still be in time: one of any model, with a later
  // deadline, so that the newcomer goes before it. All that runs before an item may take as
  // long as nearly all do: who was taken in is to be in time for sure.
  bool MakesOthersLate() const {
    const int before = own_.Before(deadline_);
    const absl::Duration one_more =
        (own_.TimeOf(before + 1) - own_.TimeOf(before)) / device_.runners;
    for (const Queue& queue : device_.queues) {
      const double slip = std::max(queue.punctuality.factor(),
                                   absl::FDivDuration(queue.cost.Safe(1), queue.cost.Expected(1)));
      for (int i = queue.Before(deadline_); i < queue.expected + queue.waiting(); ++i) {
        const absl::Time due = queue.entries[i - queue.expected].deadline;
        const absl::Duration left = due - device_.now, done = Done(queue, i, due);
        if (done <= left && slip * (done + one_more) > left) return true;
      }
    }
    return false;
  }

  // In how long the item at place `i` of a queue, due then, will probably be done.
  absl::Duration Done(const Queue& queue, int i, absl::Time due) const {
    absl::Duration ahead = device_.running + queue.TimeOf(i);
    for (const Queue& other : device_.queues) {
      if (&other != &queue) ahead += other.TimeOf(other.Before(due));
    }
    return ahead / device_.runners + queue.cost.Expected(1);
  }

  const DeviceState<Item>& device_;
  const Queue& own_;
  const absl::Time deadline_;
};

}  // namespace patchserve
