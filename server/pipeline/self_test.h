// Proves that a model works before anybody is told that it does.
#pragma once

#include <atomic>
#include <vector>

#include "absl/status/status.h"
#include "server/pipeline/model_registry.h"

namespace patchserve {

// The batch sizes that are warmed: 1, 2, 4 ... and max_batch.
std::vector<int> BatchBuckets(int max_batch);

// Sends the bundled photo through decode, preprocessing and the model, in batches of
// every bucket (the first run of a size is the slow one), and checks the answers:
// logits are finite, one row a photo. Runs on the calling thread, which
// must be prepared as a runner.
// Errors: the model's own, and INTERNAL. CANCELLED: `cancelled` turned true between two
// batches.
absl::Status WarmUpAndTest(const ServedModel& model, const std::atomic<bool>& cancelled);

}  // namespace patchserve
