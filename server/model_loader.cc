#include "server/model_loader.h"

#include <functional>
#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "server/base/status.h"
#include "server/model/engine.h"
#include "server/pipeline/self_test.h"
#include "spdlog/spdlog.h"

namespace patchserve {
namespace {

Precision ToPrecision(const std::string& name) {
  static const std::map<std::string, Precision> kPrecisions = {
      {"float32", Precision::kFloat32},
      {"bfloat16", Precision::kBFloat16},
      {"float16", Precision::kFloat16},
  };
  auto it = kPrecisions.find(name);
  return it == kPrecisions.end() ? Precision::kAuto : it->second;
}

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
                                                             const std::string& device,
                                                             Classifier& classifier,
                                                             absl::Duration longest_batch,
                                                             const std::atomic<bool>& cancelled) {
  const absl::Time start = absl::Now();
  WarnOfName(settings.name);
  PrepareRunnerThread(kIntraOpThreads);  // converting weights takes one thread too
  ASSIGN_OR_RETURN(std::shared_ptr<Engine> engine,
                   Engine::Load(settings.folder, {.device = device,
                                                  .precision = ToPrecision(settings.precision),
                                                  .deterministic = settings.deterministic}));
  if (const std::string& prefix = engine->description().weights_prefix; !prefix.empty()) {
    spdlog::info("model {}: every tensor has the prefix \"{}\", which is taken off", settings.name,
                 prefix);
  }
  auto model = std::make_shared<ServedModel>();
  model->name = settings.name;
  model->description = engine->description();
  model->description.preprocessing.apply_orientation = settings.apply_orientation;
  model->forward = [engine](absl::Span<const ModelInput> images, bool embeddings) {
    return engine->Forward(images, embeddings);
  };
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
