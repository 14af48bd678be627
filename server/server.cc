#include "server/server.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/base/free_memory.h"
#include "server/base/memory.h"
#include "server/base/status.h"
#include "server/base/steady_clock.h"
#include "server/base/usable_cores.h"
#include "server/config/memory_plan.h"
#include "server/hub_model.h"
#include "server/logging.h"
#include "server/model_loader.h"
#include "server/net/descriptor_limit.h"
#include "spdlog/spdlog.h"
#include "version.h"

namespace patchserve {
namespace {

// Health names beside those of the models.
constexpr char kLiveness[] = "liveness";
constexpr const char* kReadinessNames[] = {"", "readiness", "patchserve.v1.ImageClassification",
                                           "inference.GRPCInferenceService"};

// What reflection tells of.
constexpr const char* kServices[] = {"grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
                                     "inference.GRPCInferenceService",
                                     "patchserve.v1.ImageClassification"};

std::vector<std::string> ModelNames(const Config& config) {
  std::vector<std::string> names;
  for (const ModelSettings& model : config.models) names.push_back(model.name);
  return names;
}

// Whole ones: a thread more than the quota allows would stall all of them.
int Cores() { return std::max(1, static_cast<int>(UsableCores())); }

// CPU: a runner a core, each with one thread while others run. GPU: two, so that copies overlap
// compute.
int Runners(const Config& config, const Backend& backend) {
  if (config.runners > 0) return config.runners;
  return backend.runners_share ? 2 : Cores();
}

// A GPU may answer 50,000 images a second, each of which is 20 us of a core. On a CPU the runners
// have all cores already.
int AnswerThreads(const Backend& backend) {
  return backend.runners_share ? std::clamp(Cores() / 4, 1, 4) : 0;
}

// How often the main port is asked whether it takes connections, and how long it may take.
constexpr absl::Duration kAskEvery = absl::Seconds(5), kAnswerWithin = absl::Seconds(5);

// For gRPC to see that the connections have ended.
constexpr absl::Duration kFarewell = absl::Milliseconds(200);

// A batch that is expected to take longer isn't measured at warm-up: what it takes is extrapolated,
// and learned. While others serve, that is as long as the warm-up may keep a runner from them.
constexpr absl::Duration kLongestBatch = absl::Milliseconds(500);
constexpr absl::Duration kLongestBatchBetween = absl::Milliseconds(100);

// Bytes of its files, shards included; 0 where there is none, for a device that needs none.
int64_t WeightsOf(const std::string& folder) {
  int64_t sum = 0;
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder, error), end; it != end; it.increment(error)) {
    if (it->path().extension() != ".safetensors") continue;
    std::error_code no_size;
    const uintmax_t bytes = it->file_size(no_size);
    if (!no_size) sum += static_cast<int64_t>(bytes);
  }
  return sum;
}

// What a model takes beside its weights, where that isn't measured.
constexpr int64_t kModelNeeds = 64 << 20;

}  // namespace

Server::Server(const Config& config, Backend backend, std::shared_ptr<TokenFile> tokens,
               std::function<void(const absl::Status&)> device_lost)
    : config_(config),
      backend_(std::move(backend)),
      device_lost_(std::move(device_lost)),
      metrics_(Metrics::Create(PATCHSERVE_VERSION)),
      registry_(ModelNames(config_), config_.default_model),
      health_([this] { metrics_->UnknownModelAnswered(absl::StatusCode::kInvalidArgument); }),
      classifier_(
          {.limits = {.max_bytes = config_.max_image_bytes, .max_pixels = config_.max_image_pixels},
           .decode_threads = config_.decode_threads > 0 ? config_.decode_threads : Cores(),
           .max_batch_delay = config_.max_batch_delay,
           .device = backend_.device,
           .runners = Runners(config_, backend_),
           .answer_threads = AnswerThreads(backend_),
           .shared_device = backend_.runners_share,
           .prepare_runner = backend_.prepare_runner,
           .run_alone = backend_.run_alone,
           .device_lost = [this](const absl::Status& why) { DeviceLost(why); }},
          registry_, *metrics_),
      changes_(
          registry_,
          [this](const std::string& name, ModelChanges::Reason reason) {
            return Load(name, reason);
          },
          [this](const std::string& name) { ShowState(name); }),
      access_log_(config_.access_log, LogAccess, config_.default_model, std::move(tokens)),
      services_{classifier_, registry_, open_calls_, access_log_, config_.stream_window},
      classification_(services_),
      inference_(services_, health_, config_.repository_control ? &changes_ : nullptr,
                 config_.server_name, PATCHSERVE_VERSION, MaxMessageBytes(config_)),
      reflection_("v1", {std::begin(kServices), std::end(kServices)}, open_calls_),
      reflection_alpha_("v1alpha", {std::begin(kServices), std::end(kServices)}, open_calls_) {
  if (config_.triton_metrics) metrics_->ShowTritonNames();
  health_.Set(kLiveness, true);
  for (const char* name : kReadinessNames) health_.Set(name, false);
  for (const ModelSettings& model : config_.models) {
    SetHealth(model.name, false);
    metrics_->Model(model.name).SetReady(false);
  }
}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(
    const Config& config, Backend backend, std::function<void(const absl::Status&)> device_lost) {
  std::shared_ptr<TokenFile> tokens;
  if (const std::string& file = config.transport.auth_tokens; !file.empty()) {
    ASSIGN_OR_RETURN(tokens, TokenFile::Open(file));
  }
  std::unique_ptr<Server> server(
      new Server(config, std::move(backend), tokens, std::move(device_lost)));
  if (!config.metrics_address.empty()) {
    RETURN_IF_ERROR(server->metrics_->Expose(config.metrics_address));
  }
  const DescriptorLimit descriptors = RaiseDescriptorLimit();
  server->expected_ = ReadResidentMemory().now;
  spdlog::info("at most {} file descriptors, raised from {}", descriptors.now, descriptors.before);
  std::vector<grpc::Service*> services = {&server->classification_, &server->inference_};
  if (config.reflection) {
    services.insert(services.end(), {&server->reflection_, &server->reflection_alpha_});
  }
  ASSIGN_OR_RETURN(server->ports_, Listen(config, services, server->health_, server->other_methods_,
                                          tokens, descriptors.now, *server->metrics_));
  server->WatchPort();
  return server;
}

void Server::WatchPort() {
  auto answers = [this] {
    // Here because this thread looks every few seconds, and nothing waits for it.
    GiveBackFreeMemory();
    return ports_.acceptor->Answers(ports_.greeting, kAnswerWithin);
  };
  watch_ = std::make_unique<PortWatch>(kAskEvery, answers, [this](bool alive) {
    if (alive) {
      spdlog::warn("the port answers again");
    } else {
      spdlog::error("the port doesn't answer new connections: not alive");
    }
    health_.Set(kLiveness, alive);
  });
}

absl::Status Server::LoadModels() {
  int ready = 0;
  for (const ModelSettings& settings : config_.models) {
    absl::Status loaded = changes_.LoadNow(settings.name);
    if (absl::IsCancelled(loaded)) return loaded;
    if (loaded.ok()) {
      ++ready;
      RETURN_IF_ERROR(DivideMemory());
    } else if (config_.skip_broken_models) {
      spdlog::error("{}", std::string(loaded.message()));
    } else {
      return loaded;
    }
  }
  return ready > 0 ? absl::OkStatus() : absl::NotFoundError("no model could be loaded");
}

absl::StatusOr<std::shared_ptr<const ServedModel>> Server::Load(const std::string& name,
                                                                ModelChanges::Reason reason) {
  if (cancel_loading_) return absl::CancelledError("stopped while loading");
  ModelSettings settings = *std::find_if(config_.models.begin(), config_.models.end(),
                                         [&](const auto& model) { return model.name == name; });
  const bool ask_hub = reason == ModelChanges::Reason::kStart || config_.hub_on_demand;
  RETURN_IF_ERROR(FetchModel(settings, ask_hub, cancel_loading_, [&](const std::string& progress) {
    registry_.SetProgress(name, progress);
  }));
  const std::vector<ModelEntry> models = registry_.List();
  const bool others_serve = std::any_of(
      models.begin(), models.end(), [](const ModelEntry& entry) { return entry.model != nullptr; });
  const absl::Duration longest = others_serve ? kLongestBatchBetween : kLongestBatch;
  const ResidentMemory before = ReadResidentMemory();
  auto model = LoadModel(settings, backend_, classifier_, longest, cancel_loading_);
  const ResidentMemory after = ReadResidentMemory();  // with the peak of the warm-up
  most_running_ = std::max<int64_t>(most_running_, after.peak - after.now);
  most_kept_ = std::max<int64_t>(most_kept_, after.now - before.now);
  expected_ += WeightsOf(settings.folder) + kModelNeeds;
  return model;
}

absl::Status Server::DivideMemory() {
  // A model is loaded beside the one that it replaces.
  int64_t process = ReadResidentMemory().now + most_running_ +
                    (config_.repository_control ? most_kept_.load() : 0);
  // Calls that come while models load are refused, but their messages are in memory, and would be
  // measured.
  if (ports_.acceptor->counts().open > 0) process = std::min<int64_t>(process, expected_);
  ASSIGN_OR_RETURN(const MemoryPlan plan, PlanMemory(config_, process));
  classifier_.SetBudgets({.images = plan.images, .decoding = plan.decoding});
  metrics_->SetMemory(plan.limit, {{"process", plan.process},
                                   {"grpc", plan.grpc},
                                   {"images", plan.images},
                                   {"decoding", plan.decoding},
                                   {"spare", plan.spare}});
  constexpr int64_t kMiB = 1 << 20;
  spdlog::info(
      "memory, MiB of {}: {} for the process and its models, {} for gRPC, {} for images in flight, "
      "{} for decoding, {} to spare",
      plan.limit / kMiB, plan.process / kMiB, plan.grpc / kMiB, plan.images / kMiB,
      plan.decoding / kMiB, plan.spare / kMiB);
  return absl::OkStatus();
}

void Server::SetHealth(const std::string& model, bool serving) {
  health_.Set(model, serving);
  for (const char* kind : {".pixels", ".tensor"}) {
    const std::string name = model + kind;
    if (registry_.FullName(name) == nullptr) health_.Set(name, serving);  // else it's a model's own
  }
}

void Server::ShowState(const std::string& name) {
  bool all = true, any = false;
  for (const ModelEntry& entry : registry_.List()) {
    const bool ready = entry.state == ModelState::kReady;
    if (entry.name == name) {
      SetHealth(name, ready);
      ModelMetrics& metrics = metrics_->Model(name);
      metrics.SetReady(ready);
      if (ready) {
        const ModelDescription& model = entry.model->description;
        metrics.SetInfo({.version = model.version,
                         .architecture = model.architecture,
                         .device = model.device,
                         .precision = model.precision,
                         .commit = model.commit});
      } else {
        metrics.ClearInfo();
      }
    }
    // A model that was unloaded on purpose, or is broken and may be skipped, doesn't keep the
    // others from serving.
    const bool skipped = config_.skip_broken_models && entry.state == ModelState::kFailed;
    all &= ready || skipped || entry.state == ModelState::kUnloaded;
    any |= ready;
  }
  for (const char* readiness : kReadinessNames) health_.Set(readiness, all && any);
}

void Server::DeviceLost(const absl::Status& why) {
  health_.EndServing("");
  device_lost_(why);
}

void Server::Stop(absl::Duration lame_duck, absl::Duration refuse_for) {
  watch_->Stop();
  health_.EndServing(kLiveness);
  if (lame_duck > absl::ZeroDuration()) {
    spdlog::info("not serving for {} before the port closes", absl::FormatDuration(lame_duck));
    absl::SleepFor(lame_duck);
  }
  const absl::Time start = SteadyNow();
  classifier_.Drain();
  open_calls_.DrainStreams();
  health_.EndWatches();
  if (!open_calls_.WaitUntilNone(config_.drain_timeout)) {
    spdlog::warn("requests are still open after {}: they are cancelled",
                 absl::FormatDuration(config_.drain_timeout));
  }
  spdlog::info("drained in {:.3f} s", absl::ToDoubleSeconds(SteadyNow() - start));
  // Callers that haven't heard of the end yet are told to go elsewhere.
  absl::SleepFor(refuse_for);
  // gRPC's Shutdown cancels what still comes, and callers don't repeat what was CANCELLED. Where
  // the connection has ended they find the server UNAVAILABLE.
  ports_.acceptor->EndAll();
  ports_.server->Shutdown(absl::ToChronoTime(absl::Now() + kFarewell));
  if (ports_.health != nullptr) {
    ports_.health_acceptor->EndAll();
    ports_.health->Shutdown(absl::ToChronoTime(absl::Now()));
  }
  changes_.Stop();
  classifier_.Stop();
  // What happened since Prometheus last came would be lost.
  spdlog::debug("the last figures\n{}", metrics_->Scrape());
}

}  // namespace patchserve
