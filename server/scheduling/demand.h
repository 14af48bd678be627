// What comes against what the device can do, and what that asks of the size of batches.
#pragma once

#include <algorithm>
#include <vector>

#include "absl/time/time.h"
#include "server/scheduling/batch_size.h"
#include "server/scheduling/cost_model.h"
#include "server/scheduling/model_queue.h"

namespace patchserve {

// The models of a device at a moment.
template <typename Item>
class Demand {
 public:
  using Queue = ModelQueue<Item>;

  Demand(const std::vector<Queue>& queues, int runners, absl::Time now)
      : queues_(queues), runners_(runners), now_(now) {
    for (const Queue& queue : queues_) load_ += LoadOf(queue);
  }

  // Whether more comes than the device can do in time.
  bool scarce() const { return load_ > runners_; }

  // Whether a model asks for more than an equal part of the device.
  bool AsksForMuch(const Queue& queue) const {
    const auto models = std::count_if(queues_.begin(), queues_.end(),
                                      [&](const Queue& other) { return LoadOf(other) > 0; });
    return LoadOf(queue) * static_cast<double>(models) > runners_;
  }

  // How many times what the device can do in time comes; at least 1.
  double overload() const { return std::max(1.0, load_ / runners_); }

  // What a larger batch must save: while time is scarce hardly anything, since who is left for the
  // next one makes that smaller.
  double worthwhile() const { return scarce() ? kScarceWorthwhile : kWorthwhile; }

  // How many of a model come in a second, to stay. The patient don't count: they lose nothing.
  double Rate(const Queue& queue) const {
    return queue.stays * queue.arrivals.Hurried(now_, absl::Seconds(1), queue.patience());
  }

  // The size of a batch for which urgent items are left behind: the largest that costs
  // hardly more than one; and where that doesn't keep up with what comes, so that the queue
  // would grow and its front force ever smaller batches, one that does, or comes nearest to
  // it within the usual budget (Symphony, arXiv 2308.07470, has a target at every load).
  int Target(const Queue& queue) const {
    const CostModel& cost = queue.cost;
    const double rate = Rate(queue);
    const double runners = runners_ - (load_ - LoadOf(queue));
    const int best = Worthwhile(cost, cost.max_batch(), worthwhile());
    int target = 1;
    while (target < best) {
      const absl::Duration next = cost.Expected(target + 1);
      const bool free = next <= cost.Expected(1) * (1 + kWorthwhile);
      const bool behind = scarce() || rate * TimeEach(cost, target) > runners;
      if (!free && !(behind && next <= queue.arrivals.usual_budget())) break;
      ++target;
    }
    return target;
  }

  // How many are likely to come, of all models, so early in a run of `size` that they will
  // be late, if one of its own model then takes `own`.
  double Lost(const Queue& of, int size, absl::Duration own) const {
    const absl::Duration run = of.cost.Expected(size);
    double lost = 0;
    for (const Queue& queue : queues_) {
      lost += queue.arrivals.Late(now_, run, &queue == &of ? own : queue.cost.Expected(1));
    }
    return lost;
  }

  // The largest size from `least` to `most` that makes hardly more others late, an image,
  // than any.
  int Harmless(const Queue& queue, int least, int most) const {
    const auto lost_each = [&](int size) {
      return Lost(queue, size, queue.cost.Expected(1)) / size;
    };
    if (most <= least || lost_each(most) <= kFewLostEach) return most;
    double fewest = lost_each(1);
    for (int size = 2; size <= most; ++size) fewest = std::min(fewest, lost_each(size));
    while (most > least && lost_each(most) > fewest + kFewLostEach) --most;
    return most;
  }

 private:
  // So many late for each that runs are no reason for a smaller batch.
  static constexpr double kFewLostEach = 0.02;

  // How many runners a model needs, in batches as large as can be in time.
  double LoadOf(const Queue& queue) const {
    return Rate(queue) * TimeEach(queue.cost, Sustainable(queue));
  }

  // The largest batch that leaves its images time to wait for the end of the last one, of
  // which one of the runners ends every 1/runners of it: in larger ones the device could do
  // more, but not in time.
  int Sustainable(const Queue& queue) const {
    const CostModel& cost = queue.cost;
    const double runs = 1 + 1.0 / runners_;
    const absl::Duration longest =
        std::max(queue.arrivals.usual_budget() / runs, cost.Expected(1) * (1 + kWorthwhile));
    int size = 1;
    while (size < cost.max_batch() && cost.Expected(size + 1) <= longest) ++size;
    return size;
  }

  const std::vector<Queue>& queues_;
  const int runners_;
  const absl::Time now_;
  double load_ = 0;  // runners that are needed
};

}  // namespace patchserve
