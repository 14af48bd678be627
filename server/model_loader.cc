#include "server/model_loader.h"

#include <functional>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "server/base/memory.h"
#include "server/base/status.h"
#include "server/base/steady_clock.h"
#include "server/pipeline/batch_buckets.h"
#include "server/pipeline/self_test.h"
#include "spdlog/spdlog.h"

namespace patchserve {
namespace {

void WarnOfName(const std::string& name) {
  if (absl::EndsWith(name, ".pixels") || absl::EndsWith(name, ".tensor")) {
    spdlog::warn(
        "model {}: the Open Inference Protocol takes such a name for pixels or tensors of a model "
        "without the ending; where both are served, that model's are out of reach",
        name);
  }
}

}  // namespace

absl::StatusOr<std::shared_ptr<const ServedModel>> LoadModel(const ModelSettings& settings,
                                                             const Backend& backend,
                                                             Classifier& classifier,
                                                             absl::Duration longest_batch,
                                                             const std::atomic<bool>& cancelled) {
  const absl::Time start = SteadyNow();
  WarnOfName(settings.name);
  ASSIGN_OR_RETURN(LoadedModel found, backend.load(settings));
  if (const std::string& prefix = found.description.weights_prefix; !prefix.empty()) {
    spdlog::info("model {}: every tensor has the prefix \"{}\", which is taken off", settings.name,
                 prefix);
  }
  auto model = std::make_shared<ServedModel>();
  model->name = settings.name;
  model->description = std::move(found.description);
  model->description.preprocessing.apply_orientation = settings.apply_orientation;
  model->forward = std::move(found.forward);
  model->allocate_input = backend.allocate_input;
  model->buckets = BatchBuckets(!backend.runners_share, settings.max_batch);
  model->max_queue = settings.max_queue;
  model->default_deadline = settings.default_deadline;
  const absl::Time loaded = SteadyNow();
  // The peak that the caller sees is that of running, not of reading the file, whose pages the
  // kernel takes back.
  ResetPeakResident();
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
  model->metrics->SetLoadTime(SteadyNow() - start);
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
