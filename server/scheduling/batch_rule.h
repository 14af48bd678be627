// Which work a device does next: the decision alone, without lock, clock or thread.
//
// The models of a device share it. Each has a queue in the order of deadlines and a
// CostModel that says how long a batch takes. A free runner gets:
//
// 1. The model that can wait least: the one whose first item must start soonest. While
//    more comes than the device can do, the model that has had least of it: by urgency
//    alone the one that is asked for too much would always go first.
// 2. Of its queue the front. Where a larger batch costs nearly nothing, or more comes
//    than the device can do, the most urgent items are left behind if they don't leave
//    time for a batch of the size that serves most (Target): a batch that they don't
//    hurry is larger, and more items are in time. They run if nothing better can.
// 3. As many images as pay: a batch is not made larger than lowers the time an image by
//    kWorthwhile, since each image waits for the whole batch.
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
#include "server/scheduling/arrivals.h"
#include "server/scheduling/cost_model.h"

namespace patchserve {

enum class DropReason {
  kExpired,    // it would be late, even if it ran alone and now
  kCancelled,  // nobody waits for it any more
};

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

  // Returns the model's number: 0, 1, 2 ...
  int AddModel(const ModelOptions& options, CostModel cost) {
    queues_.push_back({options, std::move(cost)});
    return static_cast<int>(queues_.size()) - 1;
  }

  // Batches of `model` may hold no more than this from now on.
  void LimitBatch(int model, int most) { queues_[model].cost.Limit(most); }

  // A batch of `model` ran for so long.
  void Observe(int model, int size, absl::Duration took) {
    queues_[model].cost.Observe(size, took);
  }

  // Gives the item back if max_queued of its model wait already.
  std::optional<Item> Push(int model, Item item, absl::Time deadline, absl::Time now) {
    Queue& queue = queues_[model];
    queue.arrivals.Add(now, deadline - now);
    if (queue.entries.empty()) queue.used = std::max(queue.used, turn_);
    if (static_cast<int>(queue.entries.size()) >= queue.options.max_queued) return item;
    auto place = std::upper_bound(queue.entries.begin(), queue.entries.end(), deadline,
                                  [](absl::Time t, const Entry& e) { return t < e.deadline; });
    queue.entries.insert(place, {deadline, now, std::move(item)});
    ++queued_;
    return std::nullopt;
  }

  // What a free runner does at the time `now`, when `idle` runners are free, itself
  // included. Every item comes out exactly once: in a batch, or dropped. Only the last
  // free runner waits for more, and none where `may_wait` is false.
  Decision Next(absl::Time now, int idle, bool may_wait = true) {
    Decision decision{.dropped = TakeDead(now)};
    const bool scarce = Scarce(now);
    std::optional<Plan> chosen;
    for (int model = 0; model < static_cast<int>(queues_.size()); ++model) {
      if (queues_[model].entries.empty()) continue;
      const Plan plan = MakePlan(model, now, idle, scarce);
      if (may_wait && plan.wait_until > now) {
        decision.wake = std::min(decision.wake, plan.wait_until);
      } else if (!chosen || GoesBefore(plan, *chosen, scarce)) {
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
        const bool late = entry.deadline < hopeless;
        if (!late && !options_.cancelled(entry.item)) return false;
        dead.push_back(
            {std::move(entry.item), late ? DropReason::kExpired : DropReason::kCancelled});
        --queued_;
        return true;
      });
    }
    return dead;
  }

  // An item of `model` is on its way here: until Push or TakeBack it has a place, and
  // counts as work before that of those who come after it.
  void Expect(int model, absl::Time now) {
    ++expected_;
    ++queues_[model].expected;
    queues_[model].last_expected = now;
  }
  void TakeBack(int model) {
    --expected_;
    --queues_[model].expected;
  }

  // What an item of `model` with this deadline would find, if it came now: the batches of
  // all models that go before it, shared by the runners. `running` is what is left of the
  // batches under way, summed over the runners; `idle` runners are free.
  Load Find(int model, absl::Time deadline, absl::Duration running, int idle,
            absl::Time now) const {
    Load load;
    absl::Duration ahead = absl::ZeroDuration();
    for (const Queue& queue : queues_) {
      const absl::Duration work = TimeOf(queue.cost, Before(queue, deadline));
      ahead += work;
      if (&queue == &queues_[model]) {
        load.own = WithOneMore(queue, Before(queue, deadline));
      } else if (SharesTheDevice(queue, now)) {
        ++load.models;
      }
    }
    const Queue& queue = queues_[model];
    const int before = Before(queue, deadline);
    load.places = queue.expected + Waiting(queue);
    load.max_places = queue.options.max_queued;
    if (ahead > absl::ZeroDuration() || idle == 0) load.wait = (running + ahead) / options_.runners;
    load.run = queue.cost.Safe(
        Worthwhile(queue.cost, std::min(before + 1, queue.cost.max_batch()), kWorthwhile));
    load.makes_others_late = MakesOthersLate(model, deadline, running, now);
    load.crowding = Crowding(model, deadline, now);
    load.idle = idle == options_.runners && queued_ == 0 && expected_ == 0;
    return load;
  }

  // A prediction kept a model from being run, and so from being measured: it fades.
  void Doubt(int model) { queues_[model].cost.Fade(); }

  int queued() const { return queued_; }
  int queued(int model) const { return static_cast<int>(queues_[model].entries.size()); }
  const CostModel& cost(int model) const { return queues_[model].cost; }

 private:
  // A larger batch must save this share of the time an image; while time is scarce, this.
  static constexpr double kWorthwhile = 0.05;
  static constexpr double kScarceWorthwhile = 0.01;
  // So little more time is none.
  static constexpr double kNearlySame = 0.005;
  // Idle runners share what waits unless that takes so many times as long, summed up.
  static constexpr double kShareCost = 1.3;
  // A run that makes fewer than this late is no reason to wait.
  static constexpr double kFewLost = 0.1;
  // A model that nothing came for since doesn't share the device.
  static constexpr absl::Duration kRecently = absl::Seconds(10);

  struct Entry {
    absl::Time deadline;
    absl::Time pushed;
    Item item;
  };
  struct Queue {
    ModelOptions options;
    CostModel cost;
    std::vector<Entry> entries = {};  // by deadline; equal ones in order of arrival
    Arrivals arrivals = {};
    int expected = 0;  // on their way here
    absl::Time last_expected = absl::InfinitePast();
    absl::Duration used = {};  // of the device, for turns; a model that was idle saves none
  };
  struct Plan {
    int model = 0;
    int first = 0;  // entries left behind
    int size = 0;
    absl::Time start_by;    // or its first item will be late
    absl::Time wait_until;  // for more to come; not after now: don't wait
  };

  // Of so many images in batches of the largest size.
  static absl::Duration TimeOf(const CostModel& cost, int images) {
    const int largest = cost.max_batch();
    if (images == 0) return absl::ZeroDuration();
    return images / largest * cost.Expected(largest) + cost.Expected(images % largest);
  }

  // How many items of a queue go before one with this deadline.
  static int Before(const Queue& queue, absl::Time deadline) {
    const auto place =
        std::upper_bound(queue.entries.begin(), queue.entries.end(), deadline,
                         [](absl::Time t, const Entry& e) { return t < e.deadline; });
    return queue.expected + static_cast<int>(place - queue.entries.begin());
  }

  // How long the runners take for so many items of a queue and one more; nothing where there
  // are none, since a model's first item has its part of the device in any case.
  absl::Duration WithOneMore(const Queue& queue, int before) const {
    if (before == 0) return absl::ZeroDuration();
    return TimeOf(queue.cost, before + 1) / options_.runners;
  }

  static bool SharesTheDevice(const Queue& queue, absl::Time now) {
    return now - queue.last_expected < kRecently;
  }

  // What part of the time that a usual item of another model may wait is filled by the
  // items of `model` that would go before it, now that one more with this deadline comes.
  double Crowding(int model, absl::Time deadline, absl::Time now) const {
    const Queue& own = queues_[model];
    double most = 0;
    for (const Queue& other : queues_) {
      const absl::Duration budget = other.arrivals.usual_budget();
      const absl::Duration may_wait = budget - other.cost.Safe(1);
      if (&other == &own || !SharesTheDevice(other, now)) continue;
      if (deadline > now + budget || may_wait <= absl::ZeroDuration()) continue;
      most =
          std::max(most, absl::FDivDuration(WithOneMore(own, Before(own, now + budget)), may_wait));
    }
    return most;
  }

  static int Waiting(const Queue& queue) { return static_cast<int>(queue.entries.size()); }

  // Whether one more item of `model` would make one late that isn't now: one of any model,
  // with a later deadline, so that the newcomer goes before it. All that runs before an item
  // may take as long as a Safe run does: who was taken in is to be in time for sure.
  bool MakesOthersLate(int model, absl::Time deadline, absl::Duration running,
                       absl::Time now) const {
    const Queue& own = queues_[model];
    const int before = Before(own, deadline);
    const absl::Duration one_more =
        (TimeOf(own.cost, before + 1) - TimeOf(own.cost, before)) / options_.runners;
    for (const Queue& queue : queues_) {
      const double safe = absl::FDivDuration(queue.cost.Safe(1), queue.cost.Expected(1));
      for (int i = Before(queue, deadline); i < queue.expected + Waiting(queue); ++i) {
        const absl::Time due = queue.entries[i - queue.expected].deadline;
        absl::Duration ahead = running + TimeOf(queue.cost, i);
        for (const Queue& other : queues_) {
          if (&other != &queue) ahead += TimeOf(other.cost, Before(other, due));
        }
        const absl::Time done = now + safe * (ahead / options_.runners + queue.cost.Expected(1));
        if (done <= due && done + one_more > due) return true;
      }
    }
    return false;
  }

  // While there is time for all, who can wait least; else who has had least of the device
  // (start-time fair queueing, Goyal et al., SIGCOMM 1996).
  bool GoesBefore(const Plan& a, const Plan& b, bool scarce) const {
    if (scarce) return queues_[a.model].used < queues_[b.model].used;
    return a.start_by < b.start_by;
  }

  // Whether more comes than the device can do, even in the largest batches.
  bool Scarce(absl::Time now) const {
    double load = 0;
    for (const Queue& queue : queues_) {
      load += queue.arrivals.Expected(now, absl::Seconds(1)) *
              TimeEach(queue.cost, queue.cost.max_batch());
    }
    return load > options_.runners;
  }

  // The size of a batch for which urgent items are left behind: the largest that costs
  // hardly more than one; while time is scarce, the largest that can be gathered and run
  // within the usual budget. More than pays is never needed.
  int Target(const Queue& queue, absl::Time now, bool scarce) const {
    const double second = queue.arrivals.Expected(now, absl::Seconds(1));
    const int best = Worthwhile(queue.cost, queue.cost.max_batch(), kScarceWorthwhile);
    int target = 1;
    while (target < best) {
      const int next = target + 1;
      const bool free = queue.cost.Expected(next) <= queue.cost.Expected(1) * (1 + kWorthwhile);
      const bool fits = scarce && queue.cost.Expected(next) + absl::Seconds(next / second) <=
                                      queue.arrivals.usual_budget();
      if (!free && !fits) break;
      target = next;
    }
    return target;
  }

  // The first entry that can wait for a batch of `target`, or of all that are left.
  int FirstFor(const Queue& queue, int target, absl::Time now) const {
    const int last = static_cast<int>(queue.entries.size()) - 1;
    for (int first = 0; first < last; ++first) {
      const int size = std::min(target, last + 1 - first);
      if (now + queue.cost.Safe(size) <= queue.entries[first].deadline) return first;
    }
    return last;
  }

  // The most entries from `first` on that can run together and all be in time. If not
  // even the first is sure to be, it runs alone.
  int Feasible(const Queue& queue, int first, absl::Time now) const {
    const int waiting = static_cast<int>(queue.entries.size()) - first;
    int size = std::min(waiting, queue.cost.max_batch());
    while (size > 1 && now + queue.cost.Safe(size) > queue.entries[first].deadline) --size;
    return size;
  }

  // How many of those that wait one of the idle runners takes: its share, or all if
  // several batches would take much more time than one.
  static int Share(const CostModel& cost, int waiting, int idle) {
    const int all = std::min(waiting, cost.max_batch());
    const int share = std::min((waiting + idle - 1) / idle, all);
    return idle * cost.Expected(share) <= kShareCost * cost.Expected(all) ? share : all;
  }

  static bool NearlySame(const CostModel& cost, int size, int larger) {
    return cost.Expected(larger) <= cost.Expected(size) * (1 + kNearlySame);
  }

  // The smallest batch whose time an image is near the best of those up to `most`, and as
  // many more as come for nearly nothing.
  static int Worthwhile(const CostModel& cost, int most, double near) {
    double best = 1e300;
    for (int size = 1; size <= most; ++size) best = std::min(best, TimeEach(cost, size));
    int size = 1;
    while (TimeEach(cost, size) > best * (1 + near)) ++size;
    while (size < most && NearlySame(cost, size, size + 1)) ++size;
    return size;
  }
  static double TimeEach(const CostModel& cost, int size) {
    return absl::ToDoubleSeconds(cost.Expected(size)) / size;
  }

  Plan MakePlan(int model, absl::Time now, int idle, bool scarce) const {
    const Queue& queue = queues_[model];
    Plan plan{.model = model, .first = FirstFor(queue, Target(queue, now, scarce), now)};
    const int waiting = static_cast<int>(queue.entries.size()) - plan.first;
    int most = Feasible(queue, plan.first, now);
    if (options_.independent_runners) most = std::min(most, Share(queue.cost, waiting, idle));
    plan.size = Worthwhile(queue.cost, most, scarce ? kScarceWorthwhile : kWorthwhile);
    plan.start_by = queue.entries[plan.first].deadline - queue.cost.Safe(plan.size);
    TakeAlong(queue, now, plan);
    plan.wait_until = std::min(WaitUntil(queue, plan, now, idle),
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
  // large: the last free runner waits for as long as its first item can, unless more
  // images make the batch no better.
  absl::Time WaitUntil(const Queue& queue, const Plan& plan, absl::Time now, int idle) const {
    const CostModel& cost = queue.cost;
    const int enough = Worthwhile(cost, cost.max_batch(), kWorthwhile);
    if (idle > 1 || plan.size >= enough || Lost(plan, now) < kFewLost) return now;
    const int then = Forecast(queue, plan, now), more = std::min(then + 1, cost.max_batch());
    const bool cheaper =
        cost.Expected(more) - cost.Expected(plan.size) < (more - plan.size) * cost.Expected(1) / 2;
    return cheaper ? queue.entries[plan.first].deadline - cost.Safe(then) : now;
  }

  // How many are likely to come, of all models, so early in the run that they will be late.
  double Lost(const Plan& plan, absl::Time now) const {
    const absl::Duration run = queues_[plan.model].cost.Expected(plan.size);
    double lost = 0;
    for (const Queue& queue : queues_) {
      const absl::Duration own = &queue == &queues_[plan.model] ? run : queue.cost.Expected(1);
      const absl::Duration late = run + own - queue.arrivals.tight_budget();
      lost += queue.arrivals.Expected(now, std::min(run, late));
    }
    return lost;
  }

  // How large the batch is likely to be if it starts at the last moment.
  static int Forecast(const Queue& queue, const Plan& plan, absl::Time now) {
    const double more = queue.arrivals.Expected(now, plan.start_by - now);
    return static_cast<int>(std::min<double>(plan.size + more, queue.cost.max_batch()));
  }

  void TakeBatch(const Plan& plan, Decision& decision) {
    Queue& queue = queues_[plan.model];
    turn_ = queue.used;
    queue.used += queue.cost.Expected(plan.size);
    std::vector<Entry>& entries = queue.entries;
    const auto first = entries.begin() + plan.first;
    decision.model = plan.model;
    for (auto it = first; it != first + plan.size; ++it) {
      decision.batch.push_back(std::move(it->item));
    }
    entries.erase(first, first + plan.size);
    queued_ -= plan.size;
  }

  Options options_;
  std::vector<Queue> queues_;
  int queued_ = 0;
  int expected_ = 0;
  absl::Duration turn_;  // `used` of the last batch's model, before it
};

}  // namespace patchserve
