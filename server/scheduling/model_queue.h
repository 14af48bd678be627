// What waits of one model, and what is known of it: what both rules look at.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "server/scheduling/arrivals.h"
#include "server/scheduling/batch_size.h"
#include "server/scheduling/cost_model.h"
#include "server/scheduling/punctuality.h"

namespace patchserve {

// Plain data with the questions that can be asked of one model alone.
template <typename Item>
struct ModelQueue {
  struct Entry {
    absl::Time deadline;
    absl::Time pushed;
    Item item;
    bool admitted = false;  // it was told that it will be in time
  };

  // An item that is on its way here.
  struct Expected {
    absl::Time deadline;
    absl::Time ready;  // when it will come, probably

    bool operator<(const Expected& other) const { return deadline < other.deadline; }
  };

  static constexpr double kStaysWeight = 0.02;

  int max_queued = 0;
  CostModel cost;
  std::vector<Entry> entries = {};  // by deadline; equal ones in order of arrival
  Arrivals arrivals = {};
  Punctuality punctuality = {};
  std::vector<Expected> expected = {};  // by deadline
  double stays = 1;          // what part of those who are taken in is there when it should run
  absl::Duration used = {};  // of the device, for turns; a model that was idle saves none

  // Who brings more time than this is not short of it.
  absl::Duration patience() const { return 100 * cost.Expected(1); }

  // One is on its way, and will be ready then.
  void Expect(absl::Time deadline, absl::Time ready) {
    const Expected item{deadline, ready};
    expected.insert(std::upper_bound(expected.begin(), expected.end(), item), item);
  }
  // It isn't any more.
  void Came(absl::Time deadline) {
    const auto found = std::lower_bound(expected.begin(), expected.end(), Expected{deadline});
    if (found != expected.end()) expected.erase(found);
  }

  // One who was taken in runs, or is gone before: cancelled, or not an image.
  void Stayed(bool stayed) { stays += kStaysWeight * (stayed - stays); }

  int waiting() const { return static_cast<int>(entries.size()); }
  int places() const { return waiting() + static_cast<int>(expected.size()); }

  // The first entry with a later deadline.
  auto After(absl::Time deadline) const {
    return std::upper_bound(entries.begin(), entries.end(), deadline,
                            [](absl::Time t, const Entry& e) { return t < e.deadline; });
  }

  // How many items go before one with this deadline, those on their way included.
  int Before(absl::Time deadline) const {
    const auto before = std::upper_bound(expected.begin(), expected.end(), Expected{deadline});
    return static_cast<int>((before - expected.begin()) + (After(deadline) - entries.begin()));
  }

  // The size of batches where many wait: as large as pays and usual budgets allow. `near`: see
  // Worthwhile.
  int UsualSize(double near = kWorthwhile) const {
    int size = Worthwhile(cost, cost.max_batch(), near);
    while (size > 1 && cost.Expected(size) > arrivals.usual_budget()) --size;
    return size;
  }

  // Of so many images in batches of this size.
  absl::Duration TimeOf(int images, int size) const {
    return images / size * cost.Expected(size) + cost.Expected(images % size);
  }
};

}  // namespace patchserve
