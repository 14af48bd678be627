#include "server/scheduling/forecast.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace patchserve {
namespace {

// Under overload a model may be ahead of another by so many rounds of all models' batches: within
// that the earlier deadline decides, which serves more in time than strict turns.
constexpr int kRoundsAhead = 3;

}  // namespace

Forecast::Forecast(const DeviceQueues& device, std::vector<absl::Duration> free, absl::Time now)
    : device_(device), free_(std::move(free)), now_(now) {
  std::sort(free_.begin(), free_.end());
}

absl::Duration Forecast::NextFree(absl::Duration start, absl::Duration run) const {
  return free_.size() > 1 ? std::min(free_[1], start + run) : start + run;
}

absl::Duration Forecast::Lag(const DeviceQueues& device) {
  absl::Duration round;
  for (const ModelQueue& queue : device.models) {
    if (queue.max_queued > 0) round += queue.cost.Expected(queue.batch);
  }
  return kRoundsAhead * round;
}

// What of `other` goes before: what is due earlier, but no more and no less than its turns allow.
absl::Duration Forecast::OthersBefore(const ModelQueue& own, const ModelQueue& other,
                                      const Place& place, int& batches) const {
  const absl::Duration before = place.batch * own.cost.Expected(own.batch);
  const absl::Duration until = before + free_.front();
  double due = other.DueBy(place.due), all = other.waiting();
  if (place.with != nullptr && &device_.models[place.with->model] == &other) {
    due += place.with->deadline <= place.due;
    all += 1;
  }
  if (place.more_come) {
    due += other.arrivals.ExpectedDue(now_, until, place.due - now_);
    all += other.arrivals.Expected(now_, until);
  }
  const absl::Duration each = other.cost.Expected(other.batch);
  // A batch that goes before holds requests that are due later, too.
  const double filled = std::ceil(std::round(due) / other.batch) * other.batch;
  absl::Duration work = other.TimeOf(static_cast<int>(std::min(filled, std::round(all))));
  if (device_.overloaded) {
    const absl::Duration lag = Lag(device_), behind = own.used + before - other.used;
    absl::Duration least;
    if (behind >= lag) {
      const double turns =
          std::min(std::floor(absl::FDivDuration(behind - lag, each)) + 1, std::round(all));
      const int images = turns < 1 ? 1 : static_cast<int>(std::ceil(all / turns));
      least = turns * other.cost.Expected(std::clamp(images, 1, other.batch));
    }
    work = std::clamp(work, least, std::max(least, behind + lag));
  }
  batches = static_cast<int>(std::ceil(absl::FDivDuration(work, each) - 1e-6));
  return work;
}

Forecast::Batches Forecast::BeforeOf(const Place& place) const {
  Batches batches;
  const ModelQueue& own = device_.models[place.model];
  for (const ModelQueue& other : device_.models) {
    if (&other == &own) continue;
    int count = 0;
    const absl::Duration work = OthersBefore(own, other, place, count);
    if (work <= absl::ZeroDuration()) continue;
    count = std::clamp(count, 1, kMostLooked);  // longer ones stand for more of them
    batches.insert(batches.end(), count, work / count);
  }
  return batches;
}

Forecast::Answer Forecast::At(const Place& place) const {
  const ModelQueue& queue = device_.models[place.model];
  std::vector<absl::Duration> free = free_;
  for (absl::Duration batch : BeforeOf(place)) {
    const absl::Duration until = free.front() + batch;
    free.erase(free.begin());
    free.insert(std::upper_bound(free.begin(), free.end(), until), until);
  }
  const int servers = static_cast<int>(free.size());
  absl::Duration start =
      free[place.batch % servers] + place.batch / servers * queue.cost.Expected(queue.batch);
  const int rest = place.waiting - place.batch * queue.batch;
  const int images = std::max(std::clamp(rest, 1, queue.batch), place.at_least);
  const absl::Duration run = queue.cost.Expected(images);
  if (place.ready > start) {
    // Its batch doesn't wait for it.
    const bool first = place.batch == 0 && place.waiting > 1;
    start = first ? std::max(place.ready, NextFree(start, run)) : place.ready;
  }
  return {start, start + run, images};
}

Forecast::Answer Forecast::Queued(int model, int rank, absl::Duration ready) const {
  const ModelQueue& queue = device_.models[model];
  return At({.model = model,
             .batch = rank / queue.batch,
             .waiting = queue.waiting(),
             .due = queue.DeadlineOf(rank),
             .ready = ready});
}

Forecast::Answer Forecast::Newcomer(const Request& request) const {
  const ModelQueue& queue = device_.models[request.model];
  Place place{.model = request.model,
              .batch = queue.DueBy(request.deadline) / queue.batch,
              .waiting = queue.waiting() + 1,
              .due = request.deadline};
  const Answer alone = At(place);
  const double coming = alone.images + queue.arrivals.Expected(now_, alone.start);
  place.at_least = static_cast<int>(std::min<double>(queue.batch, coming));
  place.ready = request.ready;
  place.more_come = true;
  return At(place);
}

}  // namespace patchserve
