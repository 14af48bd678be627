// What waits of one model, and what is known of it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <ext/pb_ds/assoc_container.hpp>
#include <ext/pb_ds/tree_policy.hpp>
#include <map>
#include <set>
#include <utility>

#include "absl/time/time.h"
#include "server/scheduling/arrivals.h"
#include "server/scheduling/cost_model.h"
#include "server/scheduling/safety_margin.h"

namespace patchserve {

// A request by its ticket, the earliest deadline first.
using ByDeadline = std::pair<absl::Time, int64_t>;

// By rank, too: find_by_order and order_of_key take O(log n).
using RankedByDeadline =
    __gnu_pbds::tree<ByDeadline, __gnu_pbds::null_type, std::less<ByDeadline>,
                     __gnu_pbds::rb_tree_tag, __gnu_pbds::tree_order_statistics_node_update>;

// Plain data. Not thread-safe.
struct ModelQueue {
  int max_queued = 0;
  CostModel cost;
  int cores_of_lone = 1;  // the most that a batch has that is alone
  Arrivals arrivals = {};
  SafetyMargin margin = {};
  int late = 0;                      // that left, late, since a batch was answered last
  int batch = 1;                     // b*: see ChooseBatch
  absl::Duration used = {};          // of the device, for turns under overload
  std::map<int, int> untaught = {};  // by bucket: lone batches since one taught
  RankedByDeadline admitted = {};    // those that wait, decoded or not
  std::set<ByDeadline> ready = {};   // decoded

  int waiting() const { return static_cast<int>(admitted.size()); }
  // How many are due at `deadline` or before.
  int DueBy(absl::Time deadline) const {
    return static_cast<int>(admitted.order_of_key({deadline, INT64_MAX}));
  }
  absl::Time DeadlineOf(int rank) const { return admitted.find_by_order(rank)->first; }

  // The time that so many images take in full batches and a rest.
  absl::Duration TimeOf(int images) const {
    return images / batch * cost.Expected(batch) + cost.Expected(images % batch);
  }
  // How many runners' time the requests that come ask for.
  double Utilisation(absl::Time now) const {
    return arrivals.Expected(now, cost.Expected(batch)) / batch;
  }
  absl::Duration Margin(int images) const { return margin.share() * cost.Expected(images); }
  // What a batch takes at most, for a promise; and at least, for giving one up.
  absl::Duration AtMost(int images) const { return cost.Expected(images) + Margin(images); }
  absl::Duration AtLeast(int images) const {
    return std::max(cost.Expected(images) - Margin(images), absl::ZeroDuration());
  }

  // Sets `batch`: of the buckets that serve nearly as many in time as the best one does, the
  // cheapest an image. With R runners and requests that come at the rate L, batches of b serve
  // min(L P(b), R b / c(b)) in time: P(b) is the share of requests that can wait for a runner's
  // next turn, c(b) / R at most, and then c(b).
  void ChooseBatch(int runners, absl::Time now);
};

}  // namespace patchserve
