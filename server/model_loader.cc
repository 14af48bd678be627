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

// On a CPU larger batches only add to the latency. On a GPU the warm-up finds out how many pay.
int MostImages(const Backend& backend) { return backend.runners_share ? 256 : 8; }

}  // namespace

absl::StatusOr<std::shared_ptr<const ServedModel>> LoadModel(ModelSettings settings,
                                                             const Backend& backend,
                                                             Classifier& classifier,
                                                             absl::Duration longest_batch,
                                                             const std::atomic<bool>& cancelled) {
  const absl::Time start = SteadyNow();
  WarnOfName(settings.name);
  const bool while_it_pays = settings.max_batch == 0 && backend.runners_share;
  if (settings.max_batch == 0) settings.max_batch = MostImages(backend);
  const int64_t taken = backend.memory_taken ? backend.memory_taken() : 0;
  ASSIGN_OR_RETURN(LoadedModel found, backend.load(settings));
  if (const std::string& prefix = found.description.weights_prefix; !prefix.empty()) {
    spdlog::info("model {}: every tensor has the prefix \"{}\", which is taken off", settings.name,
                 prefix);
  }
  auto model = std::make_shared<ServedModel>();
  model->name = settings.name;
  model->description = std::move(found.description);
  model->description.commit = settings.commit;
  model->description.preprocessing.apply_orientation = settings.apply_orientation;
  model->description.preprocessing.fast_decode = settings.fast_decode;
  model->forward = std::move(found.forward);
  model->allocate_input = backend.allocate_input;
  model->buckets = BatchBuckets(!backend.runners_share, settings.max_batch);
  // A deterministic network doesn't split its work.
  model->cores_of_lone = settings.deterministic ? 1 : backend.cores_of_lone;
  model->max_queue = settings.max_queue;
  model->default_deadline = settings.default_deadline;
  const absl::Time loaded = SteadyNow();
  // The peak that the caller sees is that of running, not of reading the file, whose pages the
  // kernel takes back.
  ResetPeakResident();
  const Runners runners{classifier.runners(),
                        [&](int runner, absl::Duration expected, std::function<void()> work) {
                          return classifier.RunBetweenBatches(runner, expected, std::move(work));
                        },
                        backend.run_alone};
  ASSIGN_OR_RETURN(model->measured, WarmUpAndTest(*model, runners,
                                                  {.every = backend.runners_share,
                                                   .while_it_pays = while_it_pays,
                                                   .longest = longest_batch},
                                                  cancelled));
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
  if (backend.memory_taken) {
    spdlog::info("model {} takes {} MiB of the device's memory", model->name,
                 (backend.memory_taken() - taken) >> 20);
  }
  return model;
}

}  // namespace patchserve
