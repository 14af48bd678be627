#include "server/scheduling/scheduler.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

namespace patchserve {
namespace {

// A device is overloaded from where more comes than it can do until there is room again.
constexpr double kNoMoreOverloaded = 0.9;

// A run that makes fewer requests late than one in ten runs is no reason to wait.
constexpr double kFewLost = 0.1;

// After so many arrivals the best batch is chosen anew, also if none has run.
constexpr size_t kChooseEvery = 64;

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
        run.under_way ? std::max(run.until - now, absl::ZeroDuration()) : absl::ZeroDuration();
    free.push_back(left);
    last = std::max(last, left);
  }
  if (options_.shared_device) free = {last};
  return Forecast(device_, std::move(free), now);
}

bool Scheduler::Idle() const {
  return std::none_of(runs_.begin(), runs_.end(), [](const Run& run) { return run.under_way; }) &&
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
  const auto note_arrival = [&] {
    queue.arrivals.Add(now, asking.deadline - now - ready);
    if (queue.arrivals.count() % kChooseEvery == 0) queue.ChooseBatch(device_.servers, now);
  };
  // A retry was counted when it came first; once admitted it is work.
  if (!asking.retried) note_arrival();
  NoteLoad(now);
  Admission admission;
  admission.answer = Judge(asking, Now(now), now, admission);
  admission.retry_after =
      std::max(1.0, device_.utilisation) * std::max(admission.wait, admission.run);
  if (admission.answer != Admission::Answer::kAdmitted) return admission;
  if (asking.retried) note_arrival();

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
  queue.decoding.insert({{entry.deadline, slot}, entry.ready_at});
  admission.ticket = entry.generation << 32 | slot;
  return admission;
}

Admission::Answer Scheduler::Judge(const Asking& asking, const Forecast& forecast, absl::Time now,
                                   Admission& admission) const {
  using Answer = Admission::Answer;
  const ModelQueue& queue = device_.models[asking.model];
  const absl::Duration budget = asking.deadline - now;
  const double room = RoomFor(asking.criticality);
  const absl::Duration ready = asking.decode_wait + asking.decode;
  const Forecast::Request request{asking.model, asking.deadline, ready};
  const Forecast::Answer answer = forecast.Newcomer(request);
  admission.wait = answer.start;
  admission.run = answer.end - answer.start;
  admission.margin = queue.Margin(answer.images);
  if (queue.waiting() >= std::ceil(room * queue.max_queued)) return Answer::kNoPlace;

  // A price that isn't trusted mustn't lock out the requests that would put it right.
  const bool idle = Idle();
  if (idle && !queue.cost.Trusted(now) && budget > ready) return Answer::kAdmitted;
  const absl::Duration alone = queue.cost.Expected(1) + queue.Margin(1);
  if (asking.decode + alone > budget) return Answer::kHopeless;
  if (idle) return ready + alone <= budget ? Answer::kAdmitted : Answer::kLate;
  const absl::Duration ahead = std::max(answer.start - std::max(forecast.FirstFree(), ready),
                                        absl::ZeroDuration());
  const absl::Duration spare = budget - answer.end - admission.margin;
  if (spare < absl::ZeroDuration() || ahead > room * (spare + ahead)) return Answer::kLate;
  return forecast.Harms(request) ? Answer::kHarmful : Answer::kAdmitted;
}

bool Scheduler::Ready(int64_t ticket, absl::Time now) {
  const int slot = Find(ticket);
  if (slot < 0) return false;
  Entry& entry = entries_[slot];
  ModelQueue& queue = device_.models[entry.model];
  queue.decoding.erase({entry.deadline, slot});
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
  } else {
    queue.decoding.erase(key);
  }
  entry.waits = false;
  unused_entries_.push_back(slot);
}

bool Scheduler::Leave(int64_t ticket, absl::Time now) {
  const int slot = Find(ticket);
  if (slot < 0) return false;
  // It waited in vain, whoever noticed first.
  ModelQueue& queue = device_.models[entries_[slot].model];
  if (!InTime(ticket, now)) queue.margin.Learn(1.0 / queue.batch);
  Remove(slot);
  return true;
}

bool Scheduler::InTime(int64_t ticket, absl::Time now) const {
  const int slot = Find(ticket);
  if (slot < 0) return false;
  const ModelQueue& queue = device_.models[entries_[slot].model];
  return now + queue.cost.Expected(1) - queue.Margin(1) <= entries_[slot].deadline;
}

void Scheduler::TakeLate(absl::Time earliest, Batch& batch) {
  for (ModelQueue& queue : device_.models) {
    while (!queue.ready.empty()) {
      const int slot = queue.ready.begin()->second;
      const int64_t ticket = entries_[slot].generation << 32 | slot;
      if (InTime(ticket, earliest)) break;
      Leave(ticket, earliest);
      batch.late.push_back(ticket);
    }
  }
}

Scheduler::Batch Scheduler::Next(absl::Time now, bool draining) {
  NoteLoad(now);
  const Forecast forecast = Now(now);
  const int idle = static_cast<int>(
      std::count_if(runs_.begin(), runs_.end(), [](const Run& run) { return !run.under_way; }));
  const bool last = options_.shared_device || idle == 1;
  const absl::Duration start = forecast.FirstFree();
  Batch batch;
  TakeLate(now + start, batch);
  const Choice choice = Choose(forecast, last, draining, now, batch);
  if (choice.model < 0) return batch;
  if (last && !draining) {
    const absl::Time until = WaitUntil(choice, forecast, now);
    if (until > now) {
      batch.wake = std::min(batch.wake, until);
      return batch;
    }
  }
  Take(choice, start, now, batch);
  return batch;
}

absl::Duration Scheduler::TimeOfAll() const {
  absl::Duration all;
  for (const ModelQueue& queue : device_.models) all += queue.TimeOf(queue.waiting());
  return all;
}

// How many of the queue's front run together: as many as are in time, and no more than pay. Or a
// bucket whose time is to be learned. A smaller one takes time from all others, so the most urgent
// request must have time for them, too; a larger one that is no dearer an image takes none.
Scheduler::Choice Scheduler::Front(int model, absl::Duration start, absl::Time now) const {
  const ModelQueue& queue = device_.models[model];
  const absl::Time deadline = queue.ready.begin()->first;
  const absl::Duration left = deadline - now - start;
  const auto waiting = static_cast<int>(queue.ready.size());
  int images = std::min(waiting, queue.batch);
  while (images > 1 && queue.cost.Expected(images) - queue.Margin(images) > left) --images;
  // A bucket that isn't filled may cost more an image than the next smaller one.
  int best = images;
  for (int fewer = images - 1; fewer >= 1 && images != queue.cost.BucketFor(images); --fewer) {
    if (fewer != queue.cost.BucketFor(fewer)) continue;
    if (queue.cost.Expected(fewer) / fewer < queue.cost.Expected(images) / images) best = fewer;
    break;
  }
  const int to_try = queue.cost.ToTry(best, waiting, now);
  const absl::Duration others = to_try < best ? TimeOfAll() : absl::ZeroDuration();
  const bool tries = to_try > 0 && queue.cost.Expected(to_try) + others <= left;
  const int bucket = tries ? to_try : queue.cost.BucketFor(best);
  images = std::min(waiting, bucket);
  return {model, images, bucket, deadline - queue.cost.Expected(images)};
}

Scheduler::Choice Scheduler::Choose(const Forecast& forecast, bool last, bool draining,
                                    absl::Time now, Batch& batch) {
  const absl::Duration start = forecast.FirstFree(), lag = Forecast::Lag(device_);
  absl::Duration least = absl::InfiniteDuration();
  for (const ModelQueue& queue : device_.models) {
    if (queue.waiting() > 0) least = std::min(least, queue.used);
  }
  Choice choice;
  bool chosen_waits = false;
  for (int model = 0; model < static_cast<int>(device_.models.size()); ++model) {
    const ModelQueue& queue = device_.models[model];
    if (queue.ready.empty()) continue;
    const Choice front = Front(model, start, now);
    const absl::Duration run = queue.cost.Expected(front.images);
    const absl::Time deadline = queue.ready.begin()->first;
    if (last && !draining) {
      const auto hold = forecast.HoldFor(queue, start, forecast.NextFree(start, run));
      const int with_them = std::min(front.images + hold.requests, queue.cost.max_batch());
      const absl::Duration end = hold.until + queue.cost.Expected(with_them);
      if (hold.until > start && now + end + queue.Margin(with_them) <= deadline) {
        batch.wake = std::min(batch.wake, now + hold.until - start);
        continue;
      }
    }
    // Under overload a model that is far ahead waits for the others' turn.
    const bool waits = device_.overloaded && queue.used > least + lag;
    if (choice.model < 0 ||
        std::tie(waits, front.start_by) < std::tie(chosen_waits, choice.start_by)) {
      choice = front;
      chosen_waits = waits;
    }
  }
  return choice;
}

// Until when the last free runner should wait although there is work; not after now: it shouldn't.
//
// The requests that come just after its start wait until a runner is free again, and then for their
// own run. If they leave less time than that they are lost, as many in each run, however many
// images it holds: so runs should be few and large, and start as late as all that wait allow.
absl::Time Scheduler::WaitUntil(const Choice& choice, const Forecast& forecast,
                                absl::Time now) const {
  const ModelQueue& chosen = device_.models[choice.model];
  const absl::Duration start = forecast.FirstFree();
  if (choice.images >= chosen.batch) return now;
  // On a shared device the next batch is formed while one runs, and is handed over a little before
  // that ends: a lone image's time is mostly what a batch takes to get started.
  if (start > absl::ZeroDuration()) return now + start - chosen.cost.Expected(1);
  const absl::Duration run = chosen.cost.Expected(choice.images);
  const absl::Duration blocked = std::min(run, forecast.NextFree(start, run));
  double lost = 0;
  for (const ModelQueue& queue : device_.models) {
    lost += queue.arrivals.Lost(now, blocked, &queue == &chosen ? run : queue.cost.Expected(1));
  }
  if (lost < kFewLost) return now;
  std::vector<std::pair<absl::Time, absl::Duration>> batches;  // when each is due, how long it runs
  absl::Time patience = absl::InfiniteFuture();
  for (const ModelQueue& queue : device_.models) {
    if (queue.ready.empty()) continue;
    const int more = std::min<int>(static_cast<int>(queue.ready.size()) + 1, queue.batch);
    batches.push_back(
        {queue.ready.begin()->first, queue.cost.Expected(more) + queue.Margin(more)});
    const Entry& first = entries_[queue.ready.begin()->second];
    const absl::Duration longest = std::min(queue.cost.Expected(1), options_.max_delay);
    patience = std::min(patience, first.ready_at + longest);
  }
  std::sort(batches.begin(), batches.end());
  absl::Duration all;
  absl::Time latest = absl::InfiniteFuture();
  for (const auto& [due, takes] : batches) {
    all += takes;
    latest = std::min(latest, due - all);
  }
  return std::min(latest, patience);
}

void Scheduler::Take(const Choice& choice, absl::Duration start, absl::Time now, Batch& batch) {
  ModelQueue& queue = device_.models[choice.model];
  absl::Duration least = absl::InfiniteDuration();
  for (const ModelQueue& other : device_.models) {
    if (other.waiting() > 0) least = std::min(least, other.used);
  }
  turn_ = std::max(turn_, least);
  const auto free = std::find_if(runs_.begin(), runs_.end(), [](const Run& r) { return !r.under_way; });
  batch.model = choice.model;
  batch.bucket = choice.bucket;
  batch.run = static_cast<int>(free - runs_.begin());
  Run& run = *free;
  const absl::Duration takes = queue.cost.Expected(choice.images);
  run = {choice.model, batch.bucket, now, now + start + takes, {}, true};
  queue.used += takes;
  for (int i = 0; i < choice.images; ++i) {
    const int slot = queue.ready.begin()->second;
    batch.requests.push_back(entries_[slot].generation << 32 | slot);
    run.deadlines.push_back(entries_[slot].deadline);
    Remove(slot);
  }
}

int Scheduler::Occupy(absl::Duration expected, absl::Time now) {
  const auto free = std::find_if(runs_.begin(), runs_.end(), [](const Run& r) { return !r.under_way; });
  *free = {-1, 0, now, now + expected, {}, true};
  return static_cast<int>(free - runs_.begin());
}

void Scheduler::Ended(int number, absl::Time now, bool ok) {
  Run& run = runs_[number];
  run.under_way = false;
  // On a shared device a batch has its turn when the one before it is done.
  const absl::Time started =
      options_.shared_device ? std::max(run.started, device_free_) : run.started;
  device_free_ = now;
  if (run.model < 0 || !ok) return;
  ModelQueue& queue = device_.models[run.model];
  const auto late = std::count_if(run.deadlines.begin(), run.deadlines.end(),
                                  [&](absl::Time deadline) { return deadline < now; });
  queue.margin.Learn(static_cast<double>(late) / static_cast<double>(run.deadlines.size()));
  queue.used += now - started - queue.cost.Expected(std::min(run.bucket, queue.cost.max_batch()));
  queue.cost.Observe(run.bucket, now - started, now);
  queue.ChooseBatch(device_.servers, now);
}

absl::Duration Scheduler::Wait(int model, absl::Time now) const {
  return Now(now).Newcomer({model, absl::InfiniteFuture(), absl::ZeroDuration()}).start;
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
