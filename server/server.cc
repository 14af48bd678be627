#include "server/server.h"

#include <chrono>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/base/status.h"
#include "server/logging.h"
#include "server/model/engine.h"
#include "server/model_loader.h"
#include "spdlog/spdlog.h"

namespace patchserve {
namespace {

// Health names beside those of the models.
constexpr char kLiveness[] = "liveness";
constexpr const char* kReadinessNames[] = {"", "readiness", "patchserve.v1.ImageClassification",
                                           "inference.GRPCInferenceService"};

std::vector<std::string> ModelNames(const Config& config) {
  std::vector<std::string> names;
  for (const ModelSettings& model : config.models) names.push_back(model.name);
  return names;
}

// Every request that waits for a decoding thread holds a place in its model's queue.
int TotalQueue(const Config& config) {
  int total = 0;
  for (const ModelSettings& model : config.models) total += model.max_queue;
  return total;
}

int Cores() { return static_cast<int>(std::max(1u, std::thread::hardware_concurrency())); }

// CPU: a runner a core, each with one thread, since libgomp's busy waiting makes
// more a trap. GPU: two, so that copies overlap compute.
int Runners(const Config& config, const std::string& device) {
  if (config.runners > 0) return config.runners;
  return device == "cpu" ? Cores() : 2;
}

// For the last bytes of the last answers.
constexpr absl::Duration kFarewell = absl::Milliseconds(200);

// On a CPU larger batches only add to the latency.
int DefaultMaxBatch(const std::string& device) { return device == "cpu" ? 8 : 32; }

}  // namespace

Server::Server(const Config& config, std::string device,
               std::function<void(const absl::Status&)> device_lost)
    : config_(config),
      device_(std::move(device)),
      device_lost_(std::move(device_lost)),
      metrics_(Metrics::Create(PATCHSERVE_VERSION)),
      registry_(ModelNames(config_), config_.default_model),
      classifier_(
          {.limits = {.max_bytes = config_.max_image_bytes, .max_pixels = config_.max_image_pixels},
           .decode_threads = config_.decode_threads > 0 ? config_.decode_threads : Cores(),
           .max_decode_queue = TotalQueue(config_),
           .max_bytes_in_flight = config_.max_bytes_in_flight,
           .max_pixels_in_flight = config_.max_pixels_in_flight,
           .max_batch_delay = config_.max_batch_delay,
           .device = device_,
           .runners = Runners(config_, device_),
           .independent_runners = device_ == "cpu",
           .prepare_runner = [] { PrepareRunnerThread(kIntraOpThreads); },
           .device_lost = [this](const absl::Status& why) { DeviceLost(why); }},
          registry_, *metrics_),
      access_log_(config_.access_log, LogAccess),
      classification_(classifier_, registry_, open_calls_, access_log_, config_.stream_window),
      inference_(classifier_, registry_, health_, open_calls_, access_log_, config_.stream_window,
                 PATCHSERVE_VERSION) {
  if (config_.triton_metrics) metrics_->ShowTritonNames();
  health_.Set(kLiveness, true);
  for (const char* name : kReadinessNames) health_.Set(name, false);
  for (const ModelSettings& model : config_.models) {
    health_.Set(model.name, false);
    metrics_->Model(model.name).SetReady(false);
  }
}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(
    const Config& config, std::function<void(const absl::Status&)> device_lost) {
  ASSIGN_OR_RETURN(std::string device, ResolveDevice(config.device));
  std::unique_ptr<Server> server(new Server(config, std::move(device), std::move(device_lost)));
  if (!config.metrics_address.empty()) {
    RETURN_IF_ERROR(server->metrics_->Expose(config.metrics_address));
  }
  ASSIGN_OR_RETURN(server->ports_, Listen(config, {&server->classification_, &server->inference_},
                                          server->health_));
  return server;
}

absl::Status Server::LoadModels() {
  int ready = 0;
  for (ModelSettings settings : config_.models) {
    if (cancel_loading_) return absl::CancelledError("stopped while loading");
    if (settings.max_batch == 0) settings.max_batch = DefaultMaxBatch(device_);
    auto model = LoadModel(settings, device_, classifier_, cancel_loading_);
    if (absl::IsCancelled(model.status())) return model.status();
    if (!model.ok()) {
      registry_.SetFailed(settings.name, model.status());
      const std::string message =
          absl::StrCat("model ", settings.name, " can't be served: ", model.status().message());
      if (!config_.skip_broken_models) return absl::Status(model.status().code(), message);
      spdlog::error("{}", message);
      continue;
    }
    registry_.SetReady(*std::move(model));
    metrics_->Model(settings.name).SetReady(true);
    health_.Set(settings.name, true);
    ++ready;
  }
  if (ready == 0) return absl::NotFoundError("no model could be loaded");
  if (ready == static_cast<int>(config_.models.size())) {
    for (const char* name : kReadinessNames) health_.Set(name, true);
  }
  return absl::OkStatus();
}

void Server::DeviceLost(const absl::Status& why) {
  health_.EndServing("");
  device_lost_(why);
}

void Server::Stop(absl::Duration lame_duck) {
  health_.EndServing(kLiveness);
  if (lame_duck > absl::ZeroDuration()) {
    spdlog::info("not serving for {} before the port closes", absl::FormatDuration(lame_duck));
    absl::SleepFor(lame_duck);
  }
  const absl::Time start = absl::Now();
  classifier_.Drain();
  open_calls_.DrainStreams();
  health_.EndWatches();
  if (!open_calls_.WaitUntilNone(config_.drain_timeout)) {
    spdlog::warn("requests are still open after {}: they are cancelled",
                 absl::FormatDuration(config_.drain_timeout));
  }
  // What is open now isn't ours to finish, such as an idle reflection stream: gRPC ends it.
  ports_.server->Shutdown(absl::ToChronoTime(absl::Now() + kFarewell));
  if (ports_.health != nullptr) ports_.health->Shutdown(absl::ToChronoTime(absl::Now()));
  classifier_.Stop();
  spdlog::info("drained in {:.3f} s", absl::ToDoubleSeconds(absl::Now() - start));
  // What happened since Prometheus last came would be lost.
  spdlog::debug("the last figures\n{}", metrics_->Scrape());
}

}  // namespace patchserve
