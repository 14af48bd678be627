// The half of the Scheduler that makes batches.
#include <algorithm>
#include <bit>
#include <tuple>
#include <utility>
#include <vector>

#include "server/scheduling/scheduler.h"

namespace patchserve {
namespace {

// A run that makes fewer requests late than one in ten runs is no reason to wait.
constexpr double kFewLost = 0.1;
// Each core is woken about a hundred times in a run: it should have so much to do.
constexpr absl::Duration kWorthACore = absl::Milliseconds(2);
// Of so many lone batches of a size one has one core, and confirms what that takes.
constexpr int kOneLearns = 16;

// Of a batch that has the device to itself. What it takes on one is what forecasts count with: so
// that is learned first, after a surprise, and now and then.
int CoresFor(ModelQueue& queue, int bucket) {
  const bool known = !queue.cost.InDoubt(bucket) && ++queue.untaught[bucket] < kOneLearns;
  const int64_t worth = queue.cost.Expected(bucket) / kWorthACore;
  const int64_t most = known ? queue.cores_of_lone : 1;
  return std::bit_floor(static_cast<unsigned>(std::clamp<int64_t>(worth, 1, most)));
}

}  // namespace

void Scheduler::TakeLate(absl::Time earliest, Batch& batch) {
  for (int model = 0; model < static_cast<int>(device_.models.size()); ++model) {
    ModelQueue& queue = device_.models[model];
    while (!queue.ready.empty()) {
      const int images = std::min(static_cast<int>(queue.ready.size()), queue.batch);
      const auto [deadline, ticket] = *queue.ready.begin();
      if (InTime(model, deadline, earliest, images)) break;
      ++queue.late;
      Remove(ticket);
      batch.late.push_back(ticket);
    }
  }
}

Scheduler::Batch Scheduler::Next(absl::Time now, bool draining) {
  NoteLoad(now);
  const Forecast forecast = Now(now);
  const bool last = options_.shared_device || UnderWay() == options_.runners - 1;
  Batch batch;
  TakeLate(now + forecast.FirstFree(), batch);
  const Choice choice = Choose(forecast, now);
  if (choice.model < 0) return batch;
  if (last && !draining) {
    const absl::Time until = WaitUntil(choice, forecast, now);
    if (until > now) {
      batch.wake = std::min(batch.wake, until);
      return batch;
    }
  }
  Take(choice, now, batch);
  return batch;
}

absl::Duration Scheduler::LeastUsed() const {
  absl::Duration least = absl::InfiniteDuration();
  for (const ModelQueue& queue : device_.models) {
    if (queue.waiting() > 0) least = std::min(least, queue.used);
  }
  return least;
}

// How many of the queue's front run together: as many as are in time, and no more than pay. Or a
// bucket whose time is to be learned. A smaller one takes time from all others, so the most urgent
// request must have time for them, too; a larger one that is no dearer an image takes none.
Scheduler::Choice Scheduler::Front(int model, absl::Duration start, absl::Time now) const {
  const ModelQueue& queue = device_.models[model];
  const absl::Time deadline = queue.ready.begin()->first;
  const absl::Duration left = deadline - now - start;
  const auto waiting = static_cast<int>(queue.ready.size());
  const int images = std::min(waiting, queue.batch);
  int best = images;
  // A bucket that isn't filled may cost more an image than the next smaller one.
  for (int fewer = images - 1; fewer >= 1 && images != queue.cost.BucketFor(images); --fewer) {
    if (fewer != queue.cost.BucketFor(fewer)) continue;
    if (queue.cost.Expected(fewer) / fewer < queue.cost.Expected(images) / images) best = fewer;
    break;
  }
  const int to_try = queue.cost.ToTry(best, waiting, now);
  absl::Duration tried = queue.cost.Expected(to_try);
  for (const ModelQueue& each : device_.models) {
    if (to_try < best) tried += each.TimeOf(each.waiting());
  }
  const int bucket = to_try > 0 && tried <= left ? to_try : queue.cost.BucketFor(best);
  return {model, std::min(waiting, bucket), bucket, deadline};
}

Scheduler::Choice Scheduler::Choose(const Forecast& forecast, absl::Time now) {
  const absl::Duration start = forecast.FirstFree(), least = LeastUsed();
  Choice choice;
  bool chosen_waits = false;
  for (int model = 0; model < static_cast<int>(device_.models.size()); ++model) {
    const ModelQueue& queue = device_.models[model];
    if (queue.ready.empty()) continue;
    const Choice front = Front(model, start, now);
    // Under overload it is the turn of the model that has used the device least.
    const bool waits = device_.overloaded && queue.used > least;
    if (choice.model < 0 ||
        std::tie(waits, front.deadline) < std::tie(chosen_waits, choice.deadline)) {
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
  const bool full = choice.images >= chosen.batch;
  // On a shared device the next batch is formed while one runs. Two at once slow each other down,
  // so a full one is handed over early by no more than hides how long a small batch takes to
  // launch.
  if (options_.shared_device && UnderWay() > 0) {
    const absl::Duration early = full ? chosen.cost.Expected(1) : absl::ZeroDuration();
    if (start > early) return now + start - early;
    return full ? now : absl::InfiniteFuture();
  }
  if (full) return now;
  const absl::Duration run = chosen.cost.Expected(choice.images);
  const absl::Duration blocked = std::min(run, forecast.NextFree(start, run));
  if (chosen.arrivals.Lost(now, blocked, run) < kFewLost) return now;
  const absl::Time latest = choice.deadline - chosen.AtMost(choice.images + 1);
  const absl::Time ready_at = waiting_.at(chosen.ready.begin()->second).ready_at;
  return std::min(latest, ready_at + std::min(chosen.cost.Expected(1), options_.max_delay));
}

void Scheduler::Take(const Choice& choice, absl::Time now, Batch& batch) {
  ModelQueue& queue = device_.models[choice.model];
  turn_ = std::max(turn_, LeastUsed());
  batch.model = choice.model;
  batch.bucket = choice.bucket;
  const bool alone = runs_.empty() && static_cast<int>(waiting_.size()) == choice.images;
  batch.cores = alone ? CoresFor(queue, choice.bucket) : 1;
  batch.run = ++last_run_;
  const absl::Duration takes = queue.cost.Expected(std::min(choice.bucket, queue.cost.max_batch()));
  // Beside a batch that has several cores, which was the first one then, it may share its own.
  const bool learns = batch.cores == 1 && (runs_.empty() || runs_.begin()->second.cores == 1);
  runs_[batch.run] = {choice.model, batch.bucket, now, takes, batch.cores, learns};
  queue.used += takes;
  if (learns) queue.cost.Started(choice.bucket, now);
  for (int i = 0; i < choice.images; ++i) {
    batch.requests.push_back(queue.ready.begin()->second);
    Remove(batch.requests.back());
  }
}

void Scheduler::Answered(int model, int requests, int late) {
  ModelQueue& queue = device_.models[model];
  const int dropped = std::exchange(queue.late, 0);
  queue.margin.Learn(static_cast<double>(late + dropped) / (requests + dropped));
}

int64_t Scheduler::Occupy(absl::Duration expected, absl::Time now) {
  runs_[++last_run_] = {-1, 0, now, expected};
  return last_run_;
}

bool Scheduler::Ended(int64_t number, absl::Time now, bool ok) {
  const Run run = runs_.extract(number).mapped();
  if (run.model < 0) return false;
  // On a shared device a batch has its turn when the one before it is done.
  const absl::Time started =
      options_.shared_device ? std::max(run.started, device_free_) : run.started;
  device_free_ = now;
  ModelQueue& queue = device_.models[run.model];
  if (run.learns) queue.used += now - started - run.takes;
  if (!run.learns || !ok) return false;
  queue.cost.Observe(run.bucket, now - started, now);
  queue.untaught[run.bucket] = 0;
  queue.ChooseBatch(device_.servers, now);
  return true;
}

}  // namespace patchserve
