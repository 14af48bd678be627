// The half of the Forecast that asks what a newcomer does to those that were admitted before.
#include <algorithm>
#include <functional>

#include "server/scheduling/forecast.h"

namespace patchserve {
namespace {

// Whether one of the batches first .. last is in time before(i), but not after(i). The due(i) and
// after(i) increase: where the last batch ends before the first one is due, none is late.
template <typename Due, typename End>
bool AnyLate(int first, int last, const Due& due, const End& before, const End& after, int& looks) {
  if (first > last) return false;
  if (--looks < 0) return true;
  const absl::Duration first_due = due(first);
  if (after(last) <= first_due) return false;
  if (first == last) return before(first) <= first_due;
  const int middle = (first + last) / 2;
  return AnyLate(first, middle, due, before, after, looks) ||
         AnyLate(middle + 1, last, due, before, after, looks);
}

}  // namespace

bool Forecast::Harms(const Request& newcomer) const {
  int looks = kMostLooked;
  if (HarmsOwn(newcomer, looks)) return true;
  for (int other = 0; other < static_cast<int>(device_.models.size()); ++other) {
    const ModelQueue& queue = device_.models[other];
    if (other == newcomer.model || queue.waiting() == 0) continue;
    if (HarmsOther(newcomer, other, looks)) return true;
  }
  return false;
}

bool Forecast::HarmsOwn(const Request& newcomer, int& looks) const {
  const int model = newcomer.model;
  const ModelQueue& queue = device_.models[model];
  const int batch = queue.DueBy(newcomer.deadline) / queue.batch;
  const int waiting = queue.waiting();
  const absl::Duration margin = queue.Margin(queue.batch);
  const auto end = [&](int number, int all, absl::Duration due) {
    return margin + At({.model = model, .batch = number, .waiting = all, .due = now_ + due}).end;
  };
  // The batch that it joins may grow, or wait until it is decoded.
  const bool joins = waiting + 1 - batch * queue.batch <= queue.batch || batch == 0;
  if (joins && waiting > batch * queue.batch) {
    const absl::Duration due = queue.DeadlineOf(batch * queue.batch) - now_;
    if (end(batch, waiting, due) <= due && end(batch, waiting + 1, due) > due) return true;
  }
  // Each batch behind gets the last request of the one before it.
  const auto due = [&](int i) { return queue.DeadlineOf(i * queue.batch - 1) - now_; };
  const std::function<absl::Duration(int)> before = [&](int i) {
    return end(i - 1, waiting, due(i));
  };
  const std::function<absl::Duration(int)> after = [&](int i) {
    return end(i, waiting + 1, due(i));
  };
  return AnyLate(batch + 1, waiting / queue.batch, due, before, after, looks);
}

bool Forecast::HarmsOther(const Request& newcomer, int other, int& looks) const {
  const ModelQueue& own = device_.models[newcomer.model];
  const ModelQueue& queue = device_.models[other];
  // The batch that it joins, and so makes longer, goes when its first request is due.
  const int first = own.DueBy(newcomer.deadline) / own.batch * own.batch;
  const absl::Time goes = first < own.waiting() ? std::min(own.DeadlineOf(first), newcomer.deadline)
                                                : newcomer.deadline;
  const int behind = queue.DueBy(goes);
  if (behind == queue.waiting()) return false;
  const absl::Duration margin = queue.Margin(queue.batch);
  const auto due = [&](int i) {
    return queue.DeadlineOf(std::max(i * queue.batch, behind)) - now_;
  };
  const auto end = [&](int i, const Request* with) {
    const Place place{
        .model = other, .batch = i, .waiting = queue.waiting(), .due = now_ + due(i), .with = with};
    return margin + At(place).end;
  };
  const std::function<absl::Duration(int)> before = [&](int i) { return end(i, nullptr); };
  const std::function<absl::Duration(int)> after = [&](int i) { return end(i, &newcomer); };
  return AnyLate(behind / queue.batch, (queue.waiting() - 1) / queue.batch, due, before, after,
                 looks);
}

}  // namespace patchserve
