#include "server/scheduling/scheduler.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace patchserve {
namespace {

// A device is overloaded from where more comes than it can do until there is room again.
constexpr double kNoMoreOverloaded = 0.9;

}  // namespace

Scheduler::Scheduler(const Options& options) : options_(options) {
  device_.servers = options.shared_device ? 1 : options.runners;
}

int Scheduler::AddModel(int max_queued, CostModel cost, int cores_of_lone) {
  ModelQueue queue{max_queued, std::move(cost), cores_of_lone};
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

Forecast Scheduler::Now(absl::Time now) const {
  Forecast::Times free;
  absl::Time until = device_free_;
  for (const auto& [number, run] : runs_) {
    if (!Keeps(run)) continue;
    // On a shared device batches follow each other.
    if (!options_.shared_device) until = run.started;
    until = std::max(now, std::max(until, run.started) + run.takes);
    free.push_back(until - now);
  }
  if (options_.shared_device && !free.empty()) free.erase(free.begin(), free.end() - 1);
  free.resize(device_.servers);  // the others are free now
  return Forecast(device_, std::move(free), now);
}

int Scheduler::UnderWay() const {
  return static_cast<int>(std::count_if(runs_.begin(), runs_.end(),
                                        [&](const auto& run) { return Keeps(run.second); }));
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
  admission.work = queue.cost.Expected(queue.batch) / queue.batch / device_.servers;
  if (admission.answer != Admission::Answer::kAdmitted) return admission;
  if (asking.retried) queue.arrivals.Add(now, budget);

  // A model that had nothing to do saves no turns.
  if (queue.waiting() == 0) queue.used = std::max(queue.used, turn_);
  admission.ticket = ++last_ticket_;
  waiting_[admission.ticket] = {asking.model, asking.deadline, now + ready};
  queue.admitted.insert({asking.deadline, admission.ticket});
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
  // A price that isn't trusted mustn't lock out the requests that would put it right, nor a margin
  // that has grown wide those that would narrow it.
  const bool idle = UnderWay() == 0 && waiting_.empty();
  const bool untried = idle && !queue.cost.Trusted(1, now) && budget > ready;
  const absl::Duration run = queue.cost.Expected(1), margin = std::min(run, queue.Margin(1));
  if (!untried && asking.decode + run + margin > budget) {
    admission.wait = asking.decode;
    admission.run = run;
    admission.margin = margin;
    return Answer::kHopeless;
  }
  if (queue.waiting() >= std::ceil(room * queue.max_queued)) return Answer::kNoPlace;
  if (untried) return Answer::kAdmitted;
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
  const auto found = waiting_.find(ticket);
  if (found == waiting_.end()) return false;
  Entry& entry = found->second;
  device_.models[entry.model].ready.insert({entry.deadline, ticket});
  entry.ready = true;
  entry.ready_at = now;
  ++ready_;
  return true;
}

void Scheduler::Remove(int64_t ticket) {
  const Entry entry = waiting_.extract(ticket).mapped();
  ModelQueue& queue = device_.models[entry.model];
  queue.admitted.erase({entry.deadline, ticket});
  if (entry.ready) {
    queue.ready.erase({entry.deadline, ticket});
    --ready_;
  }
}

bool Scheduler::Leave(int64_t ticket, absl::Time now) {
  const auto found = waiting_.find(ticket);
  if (found == waiting_.end()) return false;
  const auto [model, deadline, ready_at, ready] = found->second;
  const bool in_time = InTime(model, deadline, now);
  // It waited in vain, whoever noticed first.
  if (!in_time) ++device_.models[model].late;
  Remove(ticket);
  return in_time;
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

}  // namespace patchserve
