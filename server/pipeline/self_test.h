// Proves that a model works, and measures it, before anybody is told that it does.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/base/block_pool.h"
#include "server/base/steady_clock.h"
#include "server/image/preprocessing.h"
#include "server/pipeline/model_registry.h"
#include "server/scheduling/cost_model.h"

namespace patchserve {

// The runners of the device.
struct Runners {
  int count = 1;
  // Does `work` on that runner, which it keeps for about `expected`; false if there is none any
  // more.
  std::function<bool(int runner, absl::Duration expected, std::function<void()> work)> run;
  // On a runner: does `work` on so many cores, as for a batch that is alone.
  std::function<void(int cores, const std::function<void()>& work)> run_alone;
};

using Clock = std::function<absl::Time()>;

// Those of a model's that are run.
struct WhichBuckets {
  bool every = true;           // else 1, 2, 4 ... and the largest: on a CPU no size has a first use
  bool while_it_pays = false;  // up to LargestThatPays (batch_buckets.h)
  // Those that are expected to take longer are left out, the first one never.
  absl::Duration longest = absl::InfiniteDuration();
};

// The bundled photo as such a model's input, in memory of `allocate`. Errors: as of MakeModelInput.
absl::StatusOr<std::shared_ptr<const uint8_t>> SelfTestPhoto(const Preprocessing& how,
                                                             const Allocate& allocate);

// Sends the bundled photo through decode, preprocessing and the model, in the buckets on every
// runner until two runs in a row agree within 20 %, 3 times at least and 20 at most: a runner's
// first runs of a size may take a hundred times as long. Checks that all logits are finite, one row
// a photo. Returns the least that each bucket took once its time had settled. One photo is run on
// 2, 4 ... model.cores_of_lone cores as well, for their first uses alone.
//
// Where every bucket is run, those for which the device has too little memory are left out, too,
// with a warning. Errors: the model's own, and INTERNAL. CANCELLED: `cancelled` turned true between
// two batches, or there is no runner.
absl::StatusOr<std::vector<CostModel::Sample>> WarmUpAndTest(const ServedModel& model,
                                                             const Runners& runners,
                                                             const WhichBuckets& which,
                                                             const std::atomic<bool>& cancelled,
                                                             const Clock& now = SteadyNow);

}  // namespace patchserve
