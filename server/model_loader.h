// From a checkpoint folder to a model that answers requests: the one place that
// joins a model to the pipeline.
#pragma once

#include <atomic>
#include <memory>

#include "absl/status/statusor.h"
#include "server/backend.h"
#include "server/config/config.h"
#include "server/pipeline/classifier.h"
#include "server/pipeline/model_registry.h"

namespace patchserve {

// Loads the folder onto the backend's device, warms and tests the model on the
// classifier's runners, between the batches of those that serve and in no batch that is
// expected to take longer than `longest_batch`, and gives it a queue there. Takes seconds.
// Errors: as Backend::load and WarmUpAndTest.
absl::StatusOr<std::shared_ptr<const ServedModel>> LoadModel(ModelSettings settings,
                                                             const Backend& backend,
                                                             Classifier& classifier,
                                                             absl::Duration longest_batch,
                                                             const std::atomic<bool>& cancelled);

}  // namespace patchserve
