#include "server/model_loader.h"

#include <functional>
#include <utility>

#include "server/base/status.h"
#include "server/base/steady_clock.h"
#include "server/pipeline/batch_buckets.h"
#include "server/pipeline/self_test.h"
#include "spdlog/spdlog.h"

namespace patchserve {

absl::StatusOr<std::shared_ptr<const ServedModel>> LoadModel(const ModelSettings& settings,
                                                             const Backend& backend,
                                                             Classifier& classifier,
                                                             absl::Duration longest_batch,
                                                             const std::atomic<bool>& cancelled) {
  const absl::Time start = SteadyNow();
  ASSIGN_OR_RETURN(LoadedModel found, backend.load(settings));
  auto model = std::make_shared<ServedModel>();
  model->name = settings.name;
  model->description = std::move(found.description);
  model->description.preprocessing.apply_orientation = settings.apply_orientation;
  model->forward = std::move(found.forward);
  model->buckets = BatchBuckets(!backend.runners_share, settings.max_batch);
  model->max_queue = settings.max_queue;
  model->default_deadline = settings.default_deadline;
  const absl::Time loaded = SteadyNow();
  const Runners runners{classifier.runners(),
                        [&](int runner, absl::Duration expected, std::function<void()> work) {
                          return classifier.RunBetweenBatches(runner, expected, std::move(work));
                        }};
  ASSIGN_OR_RETURN(model->measured,
                   WarmUpAndTest(*model, runners, backend.runners_share, longest_batch, cancelled));
  // A size that was left out is only known by its neighbours; where it has a first use, it can't
  // run.
  if (backend.runners_share) model->buckets.resize(model->measured.size());
  classifier.Schedule(model);
  const ModelDescription& description = model->description;
  spdlog::info(
      "model {} is ready: {} version {}, {} classes, {} on {}, batches up to {}; read in "
      "{:.1f} s, warmed in {:.1f} s",
      model->name, description.architecture, description.version, description.classes.size(),
      description.precision, description.device, model->max_batch(),
      absl::ToDoubleSeconds(loaded - start), absl::ToDoubleSeconds(SteadyNow() - loaded));
  return model;
}

}  // namespace patchserve
