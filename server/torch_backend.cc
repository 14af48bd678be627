#include "server/torch_backend.h"

#include <map>
#include <memory>

#include "server/base/status.h"
#include "server/logging.h"
#include "server/model/engine.h"
#include "server/model/torch_warnings.h"
#include "spdlog/spdlog.h"

namespace patchserve {
namespace {

// One batch's threads: on a CPU each core has a runner of its own.
constexpr int kIntraOpThreads = 1;

void PrepareThread(int = 0) { PrepareRunnerThread(kIntraOpThreads); }

Precision ToPrecision(const std::string& name) {
  static const std::map<std::string, Precision> kPrecisions = {
      {"float32", Precision::kFloat32},
      {"bfloat16", Precision::kBFloat16},
      {"float16", Precision::kFloat16},
  };
  auto it = kPrecisions.find(name);
  return it == kPrecisions.end() ? Precision::kAuto : it->second;
}

void LogSpeedup() {
  static const bool logged = [] {
    spdlog::info("bfloat16 is {:.1f} times float32 here, as measured", CpuBFloat16Speedup());
    return true;
  }();
  (void)logged;
}

// Null where there are none, after a warning.
const FusedKernels* KernelsFor(const ModelSettings& settings, const std::string& device) {
  if (device == "cpu" || !settings.fused_kernels) return nullptr;
  static const absl::StatusOr<const FusedKernels*> kernels = [] {
    auto found = FindFusedKernels();
    if (!found.ok()) {
      spdlog::warn("networks run by LibTorch's kernels alone: {}", found.status().ToString());
    }
    return found;
  }();
  return kernels.ok() ? *kernels : nullptr;
}

absl::StatusOr<LoadedModel> Load(const ModelSettings& settings, const std::string& device) {
  PrepareThread();  // converting weights takes one thread too
  if (device == "cpu" && ToPrecision(settings.precision) == Precision::kAuto) LogSpeedup();
  ASSIGN_OR_RETURN(std::shared_ptr<Engine> engine,
                   Engine::Load(settings.folder, {.device = device,
                                                  .precision = ToPrecision(settings.precision),
                                                  .deterministic = settings.deterministic,
                                                  .kernels = KernelsFor(settings, device)}));
  return LoadedModel{engine->description(),
                     [engine](absl::Span<const ModelInput> images, int bucket, bool embeddings) {
                       return engine->Forward(images, bucket, embeddings);
                     }};
}

}  // namespace

absl::StatusOr<Backend> OpenTorch(const std::string& device) {
  SendTorchWarnings(LogTorch);
  ASSIGN_OR_RETURN(const std::string resolved, ResolveDevice(device));
  return Backend{
      .device = resolved,
      .runners_share = resolved != "cpu",
      .prepare_runner = PrepareThread,
      .load = [resolved](const ModelSettings& settings) { return Load(settings, resolved); }};
}

}  // namespace patchserve
