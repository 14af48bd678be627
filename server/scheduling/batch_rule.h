// Which work a device does next: the decision alone, without lock, clock or thread.
//
// The models of a device share it. Each has a queue in the order of deadlines and a
// CostModel that says how long a batch takes. A free runner gets:
//
// 1. The model whose first item is due first. While more comes than the device can do, the
//    model that has had least of it: by urgency alone the one that is asked for too much
//    would always go first.
// 2. Of its queue the front. Where a larger batch costs nearly nothing, or small ones don't
//    keep up with what comes, the most urgent items are left behind if they don't leave
//    time for a batch of the size that serves most (demand.h): a batch that they don't
//    hurry is larger, and more items are in time. They run if nothing better can.
// 3. As many images as pay: a batch is not made larger than lowers the time an image by
//    kWorthwhile, since each image waits for the whole batch; nor, while there is time for
//    all, so large that others who bring little time come too late for its end.
//
// It waits for more only where that serves more in time (WaitUntil). The source of that
// idea, and of the target, is Symphony (arXiv 2308.07470); that batches are planned with
// measured times, and hopeless work is not done, is Clockwork's (OSDI 2020). What all
// this is worth against other policies: docs/scheduling.md.
#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "server/scheduling/admission_rule.h"
#include "server/scheduling/batch_size.h"
#include "server/scheduling/cost_model.h"
#include "server/scheduling/demand.h"
#include "server/scheduling/model_queue.h"
#include "server/scheduling/newcomer.h"

namespace patchserve {

enum class DropReason {
  kExpired,    // it would be late, even if it ran alone and now
  kCancelled,  // nobody waits for it any more
};

// Of an item that is cancelled or can't be in time. gRPC cancels a call whose deadline
// passes: then it is the deadline that counts.
inline DropReason WhyDead(bool cancelled, absl::Time deadline, absl::Time now) {
  return cancelled && now < deadline ? DropReason::kCancelled : DropReason::kExpired;
}

template <typename Item>
class BatchRule {
 public:
  struct ModelOptions {
    int max_queued = 256;
  };
  struct Options {
    std::function<bool(const Item&)> cancelled = [](const Item&) { return false; };
    int runners = 1;
    // Whether runners don't slow each other down (a core each), so that two of them do
    // two halves of a batch in half the time.
    bool independent_runners = true;
    // No item waits longer than this for others to join its batch.
    absl::Duration max_delay = absl::InfiniteDuration();
  };
  struct Dropped {
    Item item;
    DropReason reason;
  };
  struct Decision {
    int model = -1;           // -1: nothing to run now
    std::vector<Item> batch;  // earliest deadline first
    std::vector<Dropped> dropped;
    absl::Time wake = absl::InfiniteFuture();  // ask again then, if nothing comes before
  };

  explicit BatchRule(Options options) : options_(std::move(options)) {}

  // Returns the model's number: 0, 1, 2 ..., or one that was given back.
  int AddModel(const ModelOptions& options, CostModel cost) {
    Queue queue{options.max_queued, std::move(cost)};
    if (unused_.empty()) {
      queues_.push_back(std::move(queue));
      return static_cast<int>(queues_.size()) - 1;
    }
    const int model = unused_.back();
    unused_.pop_back();
    queues_[model] = std::move(queue);
    return model;
  }

  // Gives the number back. Nothing of the model may be queued or expected.
  void RemoveModel(int model) {
    queues_[model] = {0, std::move(queues_[model].cost)};  // with no past
    unused_.push_back(model);
  }

  // Batches of `model` may hold no more than this from now on.
  void LimitBatch(int model, int most) { queues_[model].cost.Limit(most); }

  // A batch of `model` ran for so long.
  void Observe(int model, int size, absl::Duration took) {
    queues_[model].cost.Observe(size, took);
  }

  // An item of `model` is asked for, whether it will be taken in or not: so the rule knows
  // what comes, and not only what was let through.
  void Arrive(int model, absl::Time deadline, absl::Time now) {
    Queue& queue = queues_[model];
    // Whom nobody can serve in time isn't worth waiting for.
    if (deadline - now < queue.cost.Fastest()) return;
    // More time than anybody needs must not blur the mean of what others bring.
    queue.arrivals.Add(now, std::min(deadline - now, 2 * queue.patience()));
  }

  // Gives the item back if max_queued of its model wait already. `admitted`: Ask was called for it.
  std::optional<Item> Push(int model, Item item, absl::Time deadline, absl::Time now,
                           bool admitted = false) {
    Queue& queue = queues_[model];
    admitted ? queue.Came(deadline) : Arrive(model, deadline, now);
    if (queue.entries.empty()) queue.used = std::max(queue.used, turn_);
    if (queue.waiting() >= queue.max_queued) return item;
    queue.entries.insert(queue.After(deadline), {deadline, now, std::move(item), admitted});
    ++queued_;
    return std::nullopt;
  }

  // What a free runner does at the time `now`, when `idle` runners are free, itself
  // included. Every item comes out exactly once: in a batch, or dropped. Only the last
  // free runner waits for more, and none where `may_wait` is false.
  Decision Next(absl::Time now, int idle, bool may_wait = true) {
    Decision decision{.dropped = TakeDead(now)};
    const Demand<Item> demand(queues_, options_.runners, now);
    // While there is time for all nobody owes anybody anything.
    if (!demand.scarce()) SettleDebts();
    std::optional<Plan> chosen;
    for (int model = 0; model < static_cast<int>(queues_.size()); ++model) {
      if (queues_[model].entries.empty()) continue;
      const Plan plan = MakePlan(model, demand, now, idle);
      if (may_wait && plan.wait_until > now) {
        decision.wake = std::min(decision.wake, plan.wait_until);
      } else if (!chosen || GoesBefore(plan, *chosen, demand.scarce())) {
        chosen = plan;
      }
    }
    if (chosen) TakeBatch(*chosen, decision);
    return decision;
  }

  // Drops what has died while it waited: so that nobody waits for a batch to end to
  // learn that it was too late, and a dead item holds no place in the queue.
  std::vector<Dropped> TakeDead(absl::Time now) {
    std::vector<Dropped> dead;
    for (Queue& queue : queues_) {
      const absl::Time hopeless = now + queue.cost.Expected(1);
      std::erase_if(queue.entries, [&](Entry& entry) {
        const bool cancelled = options_.cancelled(entry.item);
        if (!cancelled && entry.deadline >= hopeless) return false;
        if (cancelled) queue.Stayed(false);
        dead.push_back({std::move(entry.item), WhyDead(cancelled, entry.deadline, now)});
        --queued_;
        return true;
      });
    }
    return dead;
  }

  // Who is admitted is on its way: until Push, as `admitted`, or TakeBack it has a place.
  Admission Ask(const Asking& item, const RunnerState& runners, absl::Time now) {
    if (!item.retried) Arrive(item.model, item.deadline, now);
    const DeviceState<Item> device{queues_, options_.runners, runners, now};
    const absl::Duration decoded_in = item.decode_wait + item.decode;
    const Newcomer<Item> newcomer(device, item.model, item.deadline, decoded_in);
    const Load load = newcomer.Finds();
    const absl::Duration budget = item.deadline - now;
    Admission admission = Admit(load, item.criticality, budget, item.decode_wait, item.decode);
    if (admission.answer == Admission::Answer::kAdmitted && !load.idle &&
        item.criticality != Criticality::kCritical && newcomer.MakesOthersLate()) {
      admission.answer = Admission::Answer::kHarmful;
    }
    // A prediction keeps the model from being run, and so from being measured: it fades.
    if (load.idle && load.run > budget) queues_[item.model].cost.Fade();
    if (admission.answer == Admission::Answer::kAdmitted) {
      // Who was refused before has been counted, if that is true; who is admitted is work.
      if (item.retried) Arrive(item.model, item.deadline, now);
      if (load.idle) queues_[item.model].punctuality.Idle();
      queues_[item.model].Expect(item.deadline, now + decoded_in);
    }
    return admission;
  }

  // One that was admitted won't come.
  void TakeBack(int model, absl::Time deadline) {
    queues_[model].Came(deadline);
    queues_[model].Stayed(false);
  }

  // What an item of `model` with this deadline would find, if it came now.
  Load Find(int model, absl::Time deadline, const RunnerState& runners, absl::Time now) const {
    const DeviceState<Item> device{queues_, options_.runners, runners, now};
    return Newcomer<Item>(device, model, deadline).Finds();
  }

  // An admitted item was answered, in time or not: see punctuality.h.
  void Answered(int model, bool in_time, double slack) {
    Punctuality& punctuality = queues_[model].punctuality;
    in_time ? punctuality.Kept(slack) : punctuality.Missed(slack);
  }

  int queued() const { return queued_; }
  int queued(int model) const { return queues_[model].waiting(); }
  const CostModel& cost(int model) const { return queues_[model].cost; }

 private:
  // Idle runners share what waits unless that takes so many times as long, summed up.
  static constexpr double kShareCost = 1.3;
  // A run that makes fewer than this late is no reason to wait.
  static constexpr double kFewLost = 0.1;
  using Queue = ModelQueue<Item>;
  using Entry = typename Queue::Entry;

  struct Plan {
    int model = 0;
    int first = 0;  // entries left behind
    int size = 0;
    absl::Time start_by;    // or its first item will be late
    absl::Time wait_until;  // for more to come; not after now: don't wait
  };

  // While there is time for all, who is due first; else who has had least of the device
  // (start-time fair queueing, Goyal et al., SIGCOMM 1996).
  bool GoesBefore(const Plan& a, const Plan& b, bool scarce) const {
    if (scarce) return queues_[a.model].used < queues_[b.model].used;
    return queues_[a.model].entries[a.first].deadline < queues_[b.model].entries[b.first].deadline;
  }

  void SettleDebts() {
    for (Queue& queue : queues_) queue.used = turn_;
  }

  // The first entry that can wait for a batch of `target`, or of all that are left. Nobody who was
  // admitted is left behind while they can be in time.
  int FirstFor(const Queue& queue, int target, absl::Time now) const {
    const int last = queue.waiting() - 1;
    for (int first = 0; first < last; ++first) {
      const Entry& entry = queue.entries[first];
      const absl::Duration run = entry.admitted
                                     ? queue.cost.Expected(1)
                                     : queue.cost.Safe(std::min(target, last + 1 - first));
      if (now + run <= entry.deadline) return first;
    }
    return last;
  }

  // The most entries from `first` on that can run together and all be in time. If not
  // even the first is sure to be, it runs alone, or with those who make it no later.
  int Feasible(const Queue& queue, int first, absl::Time now) const {
    const int waiting = queue.waiting() - first;
    int size = std::min(waiting, queue.cost.max_batch());
    while (size > 1 && now + queue.cost.Safe(size) > queue.entries[first].deadline) --size;
    return ForNothing(queue.cost, size, std::min(waiting, queue.cost.max_batch()));
  }

  // How many of those that wait one of the idle runners takes: its share, or all if
  // several batches would take much more time than one.
  static int Share(const CostModel& cost, int waiting, int idle) {
    const int all = std::min(waiting, cost.max_batch());
    const int share = std::min((waiting + idle - 1) / idle, all);
    return idle * cost.Expected(share) <= kShareCost * cost.Expected(all) ? share : all;
  }

  Plan MakePlan(int model, const Demand<Item>& demand, absl::Time now, int idle) const {
    const Queue& queue = queues_[model];
    const int target = demand.Target(queue);
    Plan plan{.model = model, .first = FirstFor(queue, target, now)};
    const int waiting = queue.waiting() - plan.first;
    int most = Feasible(queue, plan.first, now);
    if (options_.independent_runners) most = std::min(most, Share(queue.cost, waiting, idle));
    if (!demand.scarce()) most = demand.Harmless(queue, target, most);
    plan.size = Worthwhile(queue.cost, most, demand.worthwhile());
    plan.start_by = queue.entries[plan.first].deadline - queue.cost.Safe(plan.size);
    TakeAlong(queue, now, plan);
    plan.wait_until = std::min(WaitUntil(queue, demand, plan, now, idle),
                               queue.entries[plan.first].pushed + options_.max_delay);
    return plan;
  }

  // Those before the batch, whose time is scarce, may still be lucky: they come along
  // where one image more costs next to nothing.
  static void TakeAlong(const Queue& queue, absl::Time now, Plan& plan) {
    const CostModel& cost = queue.cost;
    while (plan.first > 0 && plan.size < cost.max_batch() &&
           NearlySame(cost, plan.size, plan.size + 1) &&
           now + cost.Expected(plan.size + 1) <= queue.entries[plan.first - 1].deadline) {
      --plan.first;
      ++plan.size;
    }
  }

  // Until when the device should idle although there is work; not after now: it shouldn't.
  //
  // While a batch runs nothing else starts: who comes just after its start waits for its
  // end, and then for their own run. Where that is more time than they bring, they are
  // lost, as many in each run, however many images it holds. So runs should be few and
  // large: the last free runner waits for as long as its first item can if one more joins it, and
  // no longer than a run takes, unless nothing more is likely to come or to make the batch better.
  absl::Time WaitUntil(const Queue& queue, const Demand<Item>& demand, const Plan& plan,
                       absl::Time now, int idle) const {
    const CostModel& cost = queue.cost;
    const int enough = Worthwhile(cost, cost.max_batch(), kWorthwhile);
    if (idle > 1 || plan.size >= enough ||
        demand.Lost(queue, plan.size, cost.Expected(plan.size)) < kFewLost) {
      return now;
    }
    const double coming = queue.arrivals.Expected(now, plan.start_by - now);
    const int then = static_cast<int>(std::min<double>(plan.size + coming, cost.max_batch()));
    const int more = std::min(then + 1, cost.max_batch());
    const bool cheaper =
        cost.Expected(more) - cost.Expected(plan.size) < (more - plan.size) * cost.Expected(1) / 2;
    if (coming < kFewLost || !cheaper) return now;
    const Entry& entry = queue.entries[plan.first];
    const int next = std::min(plan.size + 1, cost.max_batch());
    return std::min(entry.deadline - cost.Safe(next), entry.pushed + cost.Expected(then));
  }

  void TakeBatch(const Plan& plan, Decision& decision) {
    Queue& queue = queues_[plan.model];
    turn_ = std::max(turn_, queue.used);
    queue.used += queue.cost.Expected(plan.size);
    std::vector<Entry>& entries = queue.entries;
    const auto first = entries.begin() + plan.first;
    decision.model = plan.model;
    for (auto it = first; it != first + plan.size; ++it) {
      queue.Stayed(true);
      decision.batch.push_back(std::move(it->item));
    }
    entries.erase(first, first + plan.size);
    queued_ -= plan.size;
  }

  Options options_;
  std::vector<Queue> queues_;
  std::vector<int> unused_;  // numbers
  int queued_ = 0;
  absl::Duration turn_;  // `used` of the last batch's model, before it
};

}  // namespace patchserve
