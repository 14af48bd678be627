#include "server/scheduling/scheduler.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace patchserve {
namespace {

// A device is overloaded from where more comes than it can do until there is room again.
constexpr double kNoMoreOverloaded = 0.9;

}  // namespace

Scheduler::Scheduler(const Options& options) : options_(options), runs_(options.runners) {
  device_.servers = options.shared_device ? 1 : options.runners;
}

int Scheduler::AddModel(int max_queued, CostModel cost) {
  ModelQueue queue{.max_queued = max_queued, .cost = std::move(cost), .used = turn_};
  queue.ChooseBatch(device_.servers, absl::InfinitePast());
  if (unused_models_.empty()) {
    device_.models.push_back(std::move(queue));
    return static_cast<int>(device_.models.size()) - 1;
  }
  const int model = unused_models_.back();
  unused_models_.pop_back();
  device_.models[model] = std::move(queue);
  return model;
}

void Scheduler::RemoveModel(int model) {
  device_.models[model] = {.max_queued = 0, .cost = std::move(device_.models[model].cost)};
  unused_models_.push_back(model);
}

void Scheduler::LimitBatch(int model, int most) {
  ModelQueue& queue = device_.models[model];
  queue.cost.Limit(most);
  queue.batch = std::min(queue.batch, queue.cost.max_batch());
}

int Scheduler::Find(int64_t ticket) const {
  const auto entry = static_cast<int>(ticket & INT32_MAX);
  if (ticket < 0 || entry >= static_cast<int>(entries_.size())) return -1;
  return entries_[entry].waits && entries_[entry].generation == ticket >> 32 ? entry : -1;
}

Forecast Scheduler::Now(absl::Time now) const {
  std::vector<absl::Duration> free;
  absl::Duration last;
  for (const Run& run : runs_) {
    const absl::Duration left =
        Keeps(run) ? std::max(run.until - now, absl::ZeroDuration()) : absl::ZeroDuration();
    free.push_back(left);
    last = std::max(last, left);
  }
  if (options_.shared_device) free = {last};
  return Forecast(device_, std::move(free), now);
}

int Scheduler::UnderWay() const {
  return static_cast<int>(
      std::count_if(runs_.begin(), runs_.end(), [&](const Run& run) { return Keeps(run); }));
}

bool Scheduler::Idle() const {
  return UnderWay() == 0 &&
         std::all_of(device_.models.begin(), device_.models.end(),
                     [](const ModelQueue& queue) { return queue.waiting() == 0; });
}

void Scheduler::NoteLoad(absl::Time now) {
  device_.utilisation = 0;
  for (const ModelQueue& queue : device_.models) {
    device_.utilisation += queue.Utilisation(now) / device_.servers;
  }
  device_.overloaded = device_.utilisation > (device_.overloaded ? kNoMoreOverloaded : 1);
  // While there is time for all, no model owes another one its turn.
  if (!device_.overloaded) {
    for (ModelQueue& queue : device_.models) queue.used = turn_;
  }
}

Admission Scheduler::Admit(const Asking& asking, absl::Time now) {
  ModelQueue& queue = device_.models[asking.model];
  const absl::Duration ready = asking.decode_wait + asking.decode;
  const absl::Duration budget = asking.deadline - now - ready;
  // A retry was counted when it came first; once admitted it is work.
  if (!asking.retried) queue.arrivals.Add(now, budget);
  NoteLoad(now);
  Admission admission;
  admission.answer = Judge(asking, Now(now), now, admission);
  admission.retry_after =
      std::max(1.0, device_.utilisation) * std::max(admission.wait, admission.run);
  if (admission.answer != Admission::Answer::kAdmitted) return admission;
  if (asking.retried) queue.arrivals.Add(now, budget);

  if (unused_entries_.empty()) {
    unused_entries_.push_back(static_cast<int>(entries_.size()));
    entries_.emplace_back();
  }
  const int slot = unused_entries_.back();
  unused_entries_.pop_back();
  Entry& entry = entries_[slot];
  entry = {.model = asking.model,
           .deadline = asking.deadline,
           .ready_at = now + ready,
           .waits = true,
           .generation = entry.generation + 1};
  // A model that had nothing to do saves no turns.
  if (queue.waiting() == 0) queue.used = std::max(queue.used, turn_);
  queue.admitted.insert({entry.deadline, slot});
  admission.ticket = TicketOf(slot);
  return admission;
}

Admission::Answer Scheduler::Judge(const Asking& asking, const Forecast& forecast, absl::Time now,
                                   Admission& admission) const {
  using Answer = Admission::Answer;
  const ModelQueue& queue = device_.models[asking.model];
  const absl::Duration budget = asking.deadline - now, ready = asking.decode_wait + asking.decode;
  const double room = RoomFor(asking.criticality);
  const Forecast::Request request{asking.model, asking.deadline, ready};
  const Forecast::Answer answer = forecast.Newcomer(request);
  admission.wait = answer.start;
  admission.run = answer.end - answer.start;
  admission.margin = queue.Margin(answer.images);
  if (queue.waiting() >= std::ceil(room * queue.max_queued)) return Answer::kNoPlace;
  // A price that isn't trusted mustn't lock out the requests that would put it right, nor a margin
  // that has grown wide those that would narrow it.
  const bool idle = Idle();
  if (idle && !queue.cost.Trusted(1, now) && budget > ready) return Answer::kAdmitted;
  const absl::Duration run = queue.cost.Expected(1), margin = std::min(run, queue.Margin(1));
  if (asking.decode + run + margin > budget) {
    admission.wait = asking.decode;
    admission.run = run;
    admission.margin = margin;
    return Answer::kHopeless;
  }
  if (idle) admission.margin = margin;
  // Of the time that it may wait for other batches a part is kept for the more critical.
  const absl::Duration ahead = answer.start - std::max(forecast.FirstFree(), ready);
  const absl::Duration may_wait = budget - answer.end - admission.margin + ahead;
  if (ahead > absl::ZeroDuration()) {
    admission.margin += (1 - room) * std::max(may_wait, absl::ZeroDuration());
  }
  if (answer.end + admission.margin > budget) return Answer::kLate;
  return forecast.Harms(request) ? Answer::kHarmful : Answer::kAdmitted;
}

bool Scheduler::Ready(int64_t ticket, absl::Time now) {
  const int slot = Find(ticket);
  if (slot < 0) return false;
  Entry& entry = entries_[slot];
  ModelQueue& queue = device_.models[entry.model];
  queue.ready.insert({entry.deadline, slot});
  entry.ready = true;
  entry.ready_at = now;
  ++ready_;
  return true;
}

void Scheduler::Remove(int slot) {
  Entry& entry = entries_[slot];
  ModelQueue& queue = device_.models[entry.model];
  const ByDeadline key{entry.deadline, slot};
  queue.admitted.erase(key);
  if (entry.ready) {
    queue.ready.erase(key);
    --ready_;
  }
  entry.waits = false;
  unused_entries_.push_back(slot);
}

bool Scheduler::Leave(int64_t ticket, absl::Time now) {
  const int slot = Find(ticket);
  if (slot < 0) return false;
  // It waited in vain, whoever noticed first.
  ModelQueue& queue = device_.models[entries_[slot].model];
  if (!InTime(ticket, now)) ++queue.late;
  Remove(slot);
  return true;
}

bool Scheduler::InTime(int64_t ticket, absl::Time now) const {
  const int slot = Find(ticket);
  return slot >= 0 && InTime(entries_[slot].model, entries_[slot].deadline, now);
}

bool Scheduler::InTime(int model, absl::Time deadline, absl::Time now, int images) const {
  const ModelQueue& queue = device_.models[model];
  // A price that isn't trusted mustn't keep from running what would put it right.
  const bool trusted = queue.cost.Trusted(images, now);
  return now + (trusted ? queue.AtLeast(images) : absl::ZeroDuration()) <= deadline;
}

absl::Duration Scheduler::Wait(int model, absl::Time now) const {
  return Now(now).Newcomer({model, absl::InfiniteFuture(), absl::ZeroDuration()}).start;
}

absl::Duration Scheduler::TimeAnImage(int model) const {
  const ModelQueue& queue = device_.models[model];
  return queue.cost.Expected(queue.batch) / queue.batch / device_.servers;
}

absl::Time Scheduler::ExpectedEnd(int64_t ticket, absl::Time now) const {
  const Entry& entry = entries_[Find(ticket)];
  const ModelQueue& queue = device_.models[entry.model];
  const auto slot = static_cast<int>(ticket & INT32_MAX);
  const auto rank = static_cast<int>(queue.admitted.order_of_key({entry.deadline, slot}));
  const absl::Duration ready = entry.ready ? absl::ZeroDuration() : entry.ready_at - now;
  return now + Now(now).Queued(entry.model, rank, ready).end;
}

}  // namespace patchserve
