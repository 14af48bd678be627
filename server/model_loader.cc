#include "server/model_loader.h"

#include <functional>
#include <utility>

#include "absl/time/clock.h"
#include "server/base/status.h"
#include "server/pipeline/self_test.h"
#include "spdlog/spdlog.h"

namespace patchserve {

absl::StatusOr<std::shared_ptr<const ServedModel>> LoadModel(const ModelSettings& settings,
                                                             const Backend& backend,
                                                             Classifier& classifier,
                                                             absl::Duration longest_batch,
                                                             const std::atomic<bool>& cancelled) {
  const absl::Time start = absl::Now();
  ASSIGN_OR_RETURN(LoadedModel found, backend.load(settings));
  auto model = std::make_shared<ServedModel>();
  model->name = settings.name;
  model->description = std::move(found.description);
  model->description.preprocessing.apply_orientation = settings.apply_orientation;
  model->forward = std::move(found.forward);
  model->max_batch = settings.max_batch;
  model->max_queue = settings.max_queue;
  model->default_deadline = settings.default_deadline;
  const absl::Time loaded = absl::Now();
  const RunOnDevice run = [&](absl::Duration expected, std::function<void()> work) {
    return classifier.RunBetweenBatches(expected, std::move(work));
  };
  ASSIGN_OR_RETURN(model->measured, WarmUpAndTest(*model, run, longest_batch, cancelled));
  classifier.Schedule(model);
  const ModelDescription& description = model->description;
  spdlog::info(
      "model {} is ready: {} version {}, {} classes, {} on {}, batches up to {}; read in "
      "{:.1f} s, warmed in {:.1f} s",
      model->name, description.architecture, description.version, description.classes.size(),
      description.precision, description.device, model->max_batch,
      absl::ToDoubleSeconds(loaded - start), absl::ToDoubleSeconds(absl::Now() - loaded));
  return model;
}

}  // namespace patchserve
