// The running server: builds the parts in the order of their dependence, and stops
// them in reverse.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/backend.h"
#include "server/config/config.h"
#include "server/listen.h"
#include "server/metrics/metrics.h"
#include "server/net/port_watch.h"
#include "server/pipeline/classifier.h"
#include "server/pipeline/model_changes.h"
#include "server/pipeline/model_registry.h"
#include "server/rpc/access_log.h"
#include "server/rpc/classification_service.h"
#include "server/rpc/health_service.h"
#include "server/rpc/inference_service.h"
#include "server/rpc/open_calls.h"
#include "server/rpc/other_methods.h"
#include "server/rpc/reflection_service.h"
#include "server/rpc/services.h"

namespace patchserve {

class Server {
 public:
  // Binds the ports; metrics and health answer from here on, inference once
  // LoadModels has made a model ready. `device_lost` is called at most once, on a
  // runner: nothing will run any more, the process should end.
  // Errors: those of Listen.
  static absl::StatusOr<std::unique_ptr<Server>> Start(
      const Config& config, Backend backend, std::function<void(const absl::Status&)> device_lost);

  // Loads the configured models, one after the other; returns early, with CANCELLED,
  // when Stop is called meanwhile.
  // Errors: of the first model that can't be loaded, unless skip_broken_models; then
  // NOT_FOUND if none could be.
  absl::Status LoadModels();

  // Makes LoadModels return soon. No model is loaded from here on.
  void CancelLoading() { cancel_loading_ = true; }

  // Says NOT_SERVING, serves on for lame_duck, then takes nothing more and finishes
  // what was accepted, for at most drain_timeout. New calls are UNAVAILABLE meanwhile and for
  // refuse_for more: then the connections end. LoadModels must have returned.
  void Stop(absl::Duration lame_duck, absl::Duration refuse_for);

  int port() const { return ports_.port; }
  // 0 without --health_address.
  int health_port() const { return ports_.health_port; }
  int metrics_port() const { return metrics_->port(); }

 private:
  // `tokens`: null where none are wanted.
  Server(const Config& config, Backend backend, std::shared_ptr<TokenFile> tokens,
         std::function<void(const absl::Status&)> device_lost);
  absl::StatusOr<std::shared_ptr<const ServedModel>> Load(const std::string& name,
                                                          ModelChanges::Reason reason);
  // Of the model's three names in the Open Inference Protocol.
  void SetHealth(const std::string& model, bool serving);
  // By what the models were seen to take: the budgets of admission. To be called after each model
  // that is loaded at start; those that are loaded later are expected to take no more.
  // Errors: those of PlanMemory.
  absl::Status DivideMemory();
  // By the model's state: health and metrics.
  void ShowState(const std::string& name);
  // Liveness follows whether the main port answers.
  void WatchPort();
  void DeviceLost(const absl::Status& why);

  // In the order of dependence: destroyed from the last to the first.
  const Config config_;
  const Backend backend_;
  const std::function<void(const absl::Status&)> device_lost_;
  std::atomic<bool> cancel_loading_ = false;
  // Bytes. Of the models that were loaded, the most that running one takes for the moment, and that
  // one keeps; and what process and models are expected to take.
  std::atomic<int64_t> most_running_ = 0, most_kept_ = 0, expected_ = 0;
  std::unique_ptr<Metrics> metrics_;
  ModelRegistry registry_;
  HealthService health_;
  Classifier classifier_;
  ModelChanges changes_;
  OpenCalls open_calls_;
  AccessLog access_log_;
  const Services services_;
  ClassificationService classification_;
  InferenceService inference_;
  ReflectionService reflection_, reflection_alpha_;
  OtherMethods other_methods_;
  Ports ports_;
  std::unique_ptr<PortWatch> watch_;
};

}  // namespace patchserve
