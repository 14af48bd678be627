// Proves that a model works before anybody is told that it does.
#pragma once

#include <atomic>
#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/pipeline/model_registry.h"
#include "server/scheduling/cost_model.h"

namespace patchserve {

// Does `work` on a runner of the device, which it keeps for about `expected`; false if
// there is none any more.
using RunOnDevice = std::function<bool(absl::Duration expected, std::function<void()> work)>;

// Sends the bundled photo through decode, preprocessing and the model, in batches of
// 1, 2, 4 ... and max_batch, as far as they are expected to take no longer than `longest`, and
// checks that all logits are finite, one row a photo. Each size runs twice: the first run of a
// size is the slow one, the second is what is returned.
// Errors: the model's own, and INTERNAL. CANCELLED: `cancelled` turned true between two
// batches, or there is no runner.
absl::StatusOr<std::vector<CostModel::Sample>> WarmUpAndTest(const ServedModel& model,
                                                             const RunOnDevice& run,
                                                             absl::Duration longest,
                                                             const std::atomic<bool>& cancelled);

}  // namespace patchserve
