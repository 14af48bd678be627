// A device in virtual time under a Scheduler: batches take what their model's curve says, and
// nothing else takes any time.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "server/scheduling/scheduler.h"

namespace patchserve {

// How long a batch in a bucket of so many images takes.
using Curve = std::function<absl::Duration(int bucket)>;

inline const absl::Time t0 = absl::UnixEpoch() + absl::Hours(1);
constexpr absl::Duration ms = absl::Milliseconds(1);

inline Curve Linear(absl::Duration each) {
  return [=](int bucket) { return bucket * each; };
}
inline Curve Flat(absl::Duration all) {
  return [=](int) { return all; };
}
inline Curve Fixed(absl::Duration batch, absl::Duration each) {
  return [=](int bucket) { return batch + bucket * each; };
}

inline std::vector<CostModel::Sample> Measured(const std::vector<int>& buckets,
                                               const Curve& curve) {
  std::vector<CostModel::Sample> measured;
  for (int bucket : buckets) measured.push_back({bucket, curve(bucket)});
  return measured;
}

// Every bucket was measured, and has confirmed it at `now`.
inline CostModel Known(const std::vector<int>& buckets, const Curve& curve, absl::Time now = t0) {
  CostModel cost(buckets, Measured(buckets, curve));
  for (int bucket : buckets) cost.Observe(bucket, curve(bucket), now);
  return cost;
}

class VirtualDevice {
 public:
  explicit VirtualDevice(const Scheduler::Options& options)
      : scheduler(options), options_(options) {}

  int Add(CostModel cost, Curve curve, int max_queued = 10'000) {
    const int model = scheduler.AddModel(max_queued, std::move(cost));
    curves_.resize(std::max<size_t>(curves_.size(), model + 1));
    curves_[model] = std::move(curve);
    return model;
  }

  // Takes in a request that needs no decoding.
  Admission Admit(int model, absl::Time deadline) {
    const Admission admission = scheduler.Admit({.model = model, .deadline = deadline}, now);
    asked_[admission.ticket] = {model, deadline};
    if (admission.answer == Admission::Answer::kAdmitted) scheduler.Ready(admission.ticket, now);
    return admission;
  }

  const ModelQueue& queue(int model) const { return scheduler.device().models[model]; }

  // When the request of that ticket will have been answered if no more come; none: it doesn't wait.
  std::optional<absl::Time> ExpectedEnd(int64_t ticket) const {
    const auto [model, deadline] = asked_.at(ticket);
    const ModelQueue& waits = queue(model);
    const auto place = waits.admitted.find({deadline, ticket});
    if (place == waits.admitted.end()) return std::nullopt;
    const auto rank = static_cast<int>(waits.admitted.order_of_key(*place));
    const Forecast::Place batch{
        .model = model, .batch = rank / waits.batch, .waiting = waits.waiting(), .due = deadline};
    return now + scheduler.Now(now).At(batch).end;
  }

  // Starts what the free runners do now, and returns when to ask again if nothing happens before.
  absl::Time StartBatches() {
    while (scheduler.ready() > 0 && static_cast<int>(runs_.size()) < options_.runners) {
      const Scheduler::Batch batch = scheduler.Next(now);
      late.insert(late.end(), batch.late.begin(), batch.late.end());
      if (batch.model < 0 && batch.late.empty()) return batch.wake;
      if (batch.model >= 0) Start(batch);
    }
    return absl::InfiniteFuture();
  }

  // Goes on until `until`, or until nothing waits or runs.
  void Run(absl::Time until = absl::InfiniteFuture()) {
    while (true) {
      absl::Time next = StartBatches();
      for (const auto& run : runs_) next = std::min(next, run.end);
      if (next > until || next == absl::InfiniteFuture()) break;
      now = std::max(now, next);
      End();
    }
    if (until != absl::InfiniteFuture()) now = until;
  }

  Scheduler scheduler;
  absl::Time now = t0;
  std::map<int64_t, absl::Time> ended;  // when each request was answered, by ticket
  struct Ran {
    absl::Time start, end;
    int images;
  };
  std::vector<Ran> batches;
  std::vector<int64_t> late;              // that were dropped, by ticket
  std::function<void()> changed = [] {};  // called when a batch has started or ended

 private:
  void Start(const Scheduler::Batch& batch) {
    const absl::Time start = options_.shared_device ? std::max(now, free_) : now;
    const absl::Time end = start + curves_[batch.model](batch.bucket);
    free_ = end;
    int late_ones = 0;
    for (int64_t ticket : batch.requests) {
      ended[ticket] = end;
      late_ones += asked_[ticket].deadline < end;
    }
    const auto all = static_cast<int>(batch.requests.size());
    runs_.push_back({batch.run, batch.model, end, all, late_ones});
    batches.push_back({start, end, static_cast<int>(batch.requests.size())});
    changed();
  }

  void End() {
    const auto over = std::stable_partition(runs_.begin(), runs_.end(),
                                            [&](const auto& run) { return run.end > now; });
    for (auto run = over; run != runs_.end(); ++run) {
      scheduler.Ended(run->number, now);
      scheduler.Answered(run->model, run->requests, run->late);
    }
    const bool any = over != runs_.end();
    runs_.erase(over, runs_.end());
    if (any) changed();
  }

  const Scheduler::Options options_;
  std::vector<Curve> curves_;  // by model
  struct UnderWay {
    int64_t number;
    int model;
    absl::Time end;
    int requests, late;
  };
  std::vector<UnderWay> runs_;  // under way
  struct Asked {
    int model;
    absl::Time deadline;
  };
  std::map<int64_t, Asked> asked_;          // by ticket
  absl::Time free_ = absl::InfinitePast();  // of a shared device
};

}  // namespace patchserve
