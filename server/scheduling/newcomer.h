// What an item would find at the device if it came now: the arithmetic behind the
// admission rule's Load.
#pragma once

#include <algorithm>
#include <vector>

#include "absl/time/time.h"
#include "server/scheduling/admission_rule.h"
#include "server/scheduling/demand.h"
#include "server/scheduling/model_queue.h"
#include "server/scheduling/timetable.h"

namespace patchserve {

// An item of `model` with this deadline.
template <typename Item>
class Newcomer {
 public:
  // `device` must outlive it.
  Newcomer(const DeviceState<Item>& device, int model, absl::Time deadline,
           absl::Duration decoded_in = absl::ZeroDuration())
      : device_(device),
        demand_(device.queues, device.runners, device.now),
        timetable_(device, demand_),
        own_(device.queues[model]),
        item_{&own_, deadline, decoded_in},
        with_it_(timetable_.Batches(own_, &item_)) {}
  Newcomer(const Newcomer&) = delete;
  Newcomer& operator=(const Newcomer&) = delete;

  Load Finds() const {
    const Batch& joined = Joins();
    Load load;
    load.places = own_.places();
    load.max_places = own_.max_queued;
    load.idle = device_.running.idle == device_.runners && NothingWaits();
    load.running = device_.running.wait();
    load.ahead = joined.start - load.running;
    load.run = own_.cost.Expected(FullSize(joined));
    load.least = own_.cost.Fastest();
    load.deviation = timetable_.Deviation(own_, load.ahead + load.run);
    load.margin = own_.punctuality.margin();
    load.overload = demand_.overload();
    return load;
  }

  // Whether of the others, who were taken in, more would be late than without it. Takes time in
  // proportion to what waits.
  bool MakesOthersLate() const {
    if (Late(with_it_) > Late(timetable_.Batches(own_, nullptr))) return true;
    // Under overload each model has its own turns.
    return !demand_.scarce() &&
           std::any_of(device_.queues.begin(), device_.queues.end(),
                       [&](const Queue& queue) { return &queue != &own_ && MoreLate(queue); });
  }

 private:
  using Queue = ModelQueue<Item>;
  using Batch = typename Timetable<Item>::Batch;

  bool NothingWaits() const {
    return std::all_of(device_.queues.begin(), device_.queues.end(),
                       [](const Queue& queue) { return queue.places() == 0; });
  }

  const Batch& Joins() const {
    return *std::find_if(with_it_.begin(), with_it_.end(),
                         [](const Batch& batch) { return batch.extra_is > 0; });
  }

  // The size of the batch for which it should leave time: those before it, and those who can't
  // wait for another one, there already or likely to come until it starts. No more than can be
  // gathered and run within the usual budget. Who joins makes nobody late; so under overload a
  // model that doesn't cause it needn't care for large batches.
  int FullSize(const Batch& batch) const {
    if (demand_.scarce() && !demand_.AsksForMuch(own_)) return batch.extra_is;
    const double second = demand_.Rate(own_);
    const double coming = second * absl::ToDoubleSeconds(batch.start);
    const int most = timetable_.UsualSize(own_), there = batch.extra_is + HurriedAfter();
    int size = std::min(there, most);
    while (size < most && size < there + coming &&
           own_.cost.Expected(size + 1) + absl::Seconds(size / second) <=
               own_.arrivals.usual_budget()) {
      ++size;
    }
    return size;
  }

  // So many wait that are due later, and not much later.
  int HurriedAfter() const {
    const absl::Time patient = device_.now + own_.patience();
    return std::max(own_.Before(patient) - own_.Before(item_.deadline), 0);
  }

  // Of another model.
  bool MoreLate(const Queue& queue) const {
    return Late(timetable_.Batches(queue, &item_)) > Late(timetable_.Batches(queue, nullptr));
  }
  static int Late(const std::vector<Batch>& batches) {
    int late = 0;
    for (const Batch& batch : batches) late += batch.late;
    return late;
  }

  const DeviceState<Item>& device_;
  const Demand<Item> demand_;
  const Timetable<Item> timetable_;
  const Queue& own_;
  const typename Timetable<Item>::Extra item_;
  const std::vector<Batch> with_it_;  // in which its model's queue will run
};

}  // namespace patchserve
