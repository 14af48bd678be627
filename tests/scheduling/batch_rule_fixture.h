// A BatchRule of integers, with cost curves and deadlines in ms.
#pragma once

#include <gmock/gmock.h>

#include <optional>
#include <set>
#include <vector>

#include "absl/time/time.h"
#include "server/scheduling/batch_rule.h"

namespace patchserve {

inline const absl::Time t0 = absl::UnixEpoch();
inline const absl::Duration ms = absl::Milliseconds(1);

// Every size up to max_batch takes 10 ms: as on a large GPU.
inline CostModel Flat(int max_batch) {
  return CostModel({{1, 10 * ms}, {max_batch, 10 * ms}}, max_batch);
}

// Each image takes 10 ms: as on one core.
inline CostModel Linear(int max_batch) { return CostModel({{1, 10 * ms}}, max_batch); }

// Items are integers; those in `cancelled` have lost their caller.
class BatchRuleTest : public ::testing::Test {
 protected:
  std::set<int> cancelled;
  BatchRule<int> rule{{.cancelled = [this](const int& item) { return cancelled.contains(item); }}};

  // Items 1, 2, ... with these deadlines, in ms from t0, all at t0.
  void Push(int model, const std::vector<double>& deadlines) {
    for (double deadline : deadlines) {
      ASSERT_EQ(rule.Push(model, ++pushed, t0 + deadline * ms, t0), std::nullopt);
    }
  }

  static std::vector<int> Dropped(const std::vector<BatchRule<int>::Dropped>& all,
                                  DropReason reason) {
    std::vector<int> items;
    for (const auto& dropped : all) {
      if (dropped.reason == reason) items.push_back(dropped.item);
    }
    return items;
  }

  int pushed = 0;
};

}  // namespace patchserve
