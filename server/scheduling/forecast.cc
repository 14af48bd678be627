#include "server/scheduling/forecast.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace patchserve {
namespace {

// Batches that a newcomer might make late: so many are looked at, and if that doesn't settle it, it
// is refused.
constexpr int kMostLooked = 16;

// Whether one of the batches first .. last ends in time without the newcomer, but not with it. The
// due(i) and the ends increase: where the last batch ends before the first one is due, none is
// late.
template <typename Due, typename End>
bool AnyLate(int first, int last, const Due& due, const End& end, int& looks) {
  if (--looks < 0) return true;
  const absl::Duration first_due = due(first);
  if (end(last, /*with=*/true) <= first_due) return false;
  if (first == last) return end(first, /*with=*/false) <= first_due;
  const int middle = (first + last) / 2;
  return AnyLate(first, middle, due, end, looks) || AnyLate(middle + 1, last, due, end, looks);
}

}  // namespace

Forecast::Forecast(const DeviceQueues& device, Times free, absl::Time now)
    : device_(device), free_(std::move(free)), now_(now) {
  std::sort(free_.begin(), free_.end());
}

absl::Duration Forecast::NextFree(absl::Duration start, absl::Duration run) const {
  return free_.size() > 1 ? std::min(free_[1], start + run) : start + run;
}

// What of `other` goes before: what is due earlier, but no more and no less than its turns allow.
absl::Duration Forecast::OthersBefore(const ModelQueue& own, const ModelQueue& other,
                                      const Place& place) const {
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
  if (device_.overloaded) {  // then models take turns
    const absl::Duration behind = own.used + before - other.used;
    absl::Duration least;
    if (behind >= absl::ZeroDuration()) {
      const double turns =
          std::min(std::floor(absl::FDivDuration(behind, each)) + 1, std::round(all));
      const int images = turns < 1 ? 1 : static_cast<int>(std::ceil(all / turns));
      least = turns * other.cost.Expected(std::clamp(images, 1, other.batch));
    }
    work = std::clamp(work, least, std::max(least, behind));
  }
  return work;
}

Forecast::Answer Forecast::At(const Place& place) const {
  const ModelQueue& queue = device_.models[place.model];
  absl::Duration others;
  for (const ModelQueue& other : device_.models) {
    if (&other != &queue) others += OthersBefore(queue, other, place);
  }
  const int servers = static_cast<int>(free_.size());
  absl::Duration start = free_[place.batch % servers] + others / servers +
                         place.batch / servers * queue.cost.Expected(queue.batch);
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

bool Forecast::Harms(const Request& newcomer) const {
  const ModelQueue& own = device_.models[newcomer.model];
  // The batch that it joins goes when its first request is due.
  const int joins = own.DueBy(newcomer.deadline) / own.batch * own.batch;
  absl::Time goes = newcomer.deadline;
  if (joins < own.waiting()) goes = std::min(goes, own.DeadlineOf(joins));
  int looks = kMostLooked;
  for (int model = 0; model < static_cast<int>(device_.models.size()); ++model) {
    const ModelQueue& queue = device_.models[model];
    const int moved = model == newcomer.model;  // each batch's last request, to the next batch
    const int behind = moved ? joins : queue.DueBy(goes), waiting = queue.waiting();
    if (behind == waiting) continue;
    const absl::Duration margin = queue.Margin(queue.batch);
    const auto rank = [&](int i) { return std::max(i * queue.batch - moved, behind); };
    const auto due = [&](int i) { return queue.DeadlineOf(rank(i)) - now_; };
    const auto end = [&](int i, bool with) {
      Place place{.model = model, .batch = i, .waiting = waiting, .due = now_ + due(i)};
      if (with) {
        place.waiting += moved;
        place.with = &newcomer;
      } else {
        place.batch = rank(i) / queue.batch;
      }
      return margin + At(place).end;
    };
    const int first = behind / queue.batch, last = (waiting - 1 + moved) / queue.batch;
    if (AnyLate(first, last, due, end, looks)) return true;
  }
  return false;
}

}  // namespace patchserve
