// Proves that a model works before anybody is told that it does.
#pragma once

#include <atomic>
#include <vector>

#include "absl/status/statusor.h"
#include "server/pipeline/model_registry.h"
#include "server/scheduling/cost_model.h"

namespace patchserve {

// Sends the bundled photo through decode, preprocessing and the model, in batches of
// 1, 2, 4 ... and max_batch, and checks that all logits are finite, one row a photo. Each size runs
// twice: the first run of a size is the slow one, the second is what is returned. On
// the calling thread, which must be prepared as a runner.
// Errors: the model's own, and INTERNAL. CANCELLED: `cancelled` turned true between two
// batches.
absl::StatusOr<std::vector<CostModel::Sample>> WarmUpAndTest(const ServedModel& model,
                                                             const std::atomic<bool>& cancelled);

}  // namespace patchserve
