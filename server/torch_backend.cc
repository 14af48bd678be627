#include "server/torch_backend.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "server/base/block_pool.h"
#include "server/base/status.h"
#include "server/base/usable_cores.h"
#include "server/config/memory_plan.h"
#include "server/logging.h"
#include "server/model/engine.h"
#include "server/model/graph_device.h"
#include "server/model/thread_team.h"
#include "server/model/torch_warnings.h"
#include "server/pipeline/self_test.h"
#include "spdlog/spdlog.h"

namespace patchserve {
namespace {

// On a CPU each core has a runner of its own.
void PrepareThread(int = 0) { PrepareRunnerThread(/*intra_op_threads=*/1); }

// Whether those of libgomp soon do: else they keep their cores busy.
bool IdleThreadsSleep() {
  constexpr int64_t kSoon = 100'000;  // about 1.5 ms
  if (const char* const spins = std::getenv("GOMP_SPINCOUNT"); spins != nullptr) {
    int64_t count = 0;
    return absl::SimpleAtoi(spins, &count) && count <= kSoon;
  }
  const char* const policy = std::getenv("OMP_WAIT_POLICY");
  return policy != nullptr && absl::EqualsIgnoreCase(policy, "passive");
}

// Lets a batch that is alone have 2, 4 or 8 of the runners' cores. Each has a team of its own,
// since libgomp keeps a team's threads only while their number stays the same.
void AddTeams(const Config& config, Backend& backend) {
  const int cores = static_cast<int>(UsableCores());
  const int most = std::min({config.runners > 0 ? config.runners : cores, cores, 8});
  if (!IdleThreadsSleep()) return;
  std::map<int, std::shared_ptr<ThreadTeam>> teams;
  for (int threads = 2; threads <= most; threads *= 2) {
    teams[threads] = ThreadTeam::Start(threads);
    if (teams[threads] == nullptr) {
      spdlog::warn("a request that is alone has at most {} cores: {} threads more can't be started",
                   backend.cores_of_lone, threads);
      break;
    }
    backend.cores_of_lone = threads;
  }
  backend.run_alone = [teams](int threads, const std::function<void()>& batch) {
    teams.at(threads)->Run(batch);
  };
}

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

absl::StatusOr<LoadedModel> Load(const ModelSettings& settings, const std::string& device,
                                 const std::shared_ptr<GraphDevice>& graphs) {
  PrepareThread();  // converting weights takes one thread too
  if (device == "cpu" && ToPrecision(settings.precision) == Precision::kAuto) LogSpeedup();
  ASSIGN_OR_RETURN(std::shared_ptr<Engine> engine,
                   Engine::Load(settings.folder, {.device = device,
                                                  .precision = ToPrecision(settings.precision),
                                                  .deterministic = settings.deterministic,
                                                  .graphs = graphs.get(),
                                                  .max_batch = settings.max_batch,
                                                  .kernels = KernelsFor(settings, device),
                                                  .photo = [](const Preprocessing& how) {
                                                    return SelfTestPhoto(how, AllocateOnHeap);
                                                  }}));
  return LoadedModel{engine->description(), [graphs, engine](absl::Span<const ModelInput> images,
                                                             int bucket, bool embeddings) {
                       return engine->Forward(images, bucket, embeddings);
                     }};
}

// Null where it isn't asked for, the device is a CPU, or our own library isn't there.
std::shared_ptr<GraphDevice> OpenGraphs(const std::string& device, const Config& config) {
  if (device == "cpu" || !(config.cuda_graphs || config.gpu_memory > 0)) return nullptr;
  auto graphs = OpenGraphDevice(device, config.gpu_memory);
  if (graphs.ok()) return *graphs;
  spdlog::warn("neither CUDA graphs nor --gpu_memory: {}", std::string(graphs.status().message()));
  return nullptr;
}

}  // namespace

absl::StatusOr<Backend> OpenTorch(const Config& config) {
  SendTorchWarnings(LogTorch);
  ASSIGN_OR_RETURN(const std::string device, ResolveDevice(config.device));
  const std::shared_ptr<GraphDevice> gpu = OpenGraphs(device, config);
  const std::shared_ptr<GraphDevice> graphs = config.cuda_graphs ? gpu : nullptr;
  Backend backend{.device = device,
                  .runners_share = device != "cpu",
                  .prepare_runner = PrepareThread,
                  .cores_of_lone = 1,
                  .run_alone = {},
                  .load = [device, graphs](const ModelSettings& settings) {
                    return Load(settings, device, graphs);
                  }};
  if (device == "cpu") AddTeams(config, backend);
  if (gpu != nullptr) {
    backend.memory_taken = [gpu] { return gpu->MemoryTaken(); };
    // Before models are loaded it is the most that images may ever have.
    ASSIGN_OR_RETURN(const MemoryPlan plan, PlanMemory(config, /*process=*/0));
    const BlockPool pool(plan.images, [gpu](size_t bytes) { return gpu->HostMemory(bytes); });
    backend.allocate_input = [pool](size_t bytes) { return pool.Take(bytes); };
  }
  return backend;
}

}  // namespace patchserve
