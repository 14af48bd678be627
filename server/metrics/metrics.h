// What happened, for Prometheus. The names are part of the interface: dashboards
// and alerts use them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/base/criticality.h"
#include "server/metrics/inference_statistics.h"
#include "server/net/acceptor.h"

namespace patchserve {

enum class Stage { kDecode, kQueue, kRun, kRespond };

// Why a request wasn't served although nothing was wrong with it.
enum class ShedReason { kQueueFull, kBytes, kDecoding, kLate, kExpired, kDraining };

// What patchserve_model_info says.
struct ModelInfo {
  std::string version, architecture, device, precision;
  std::string commit;  // empty: no label
};

// The figures of one model. Thread-safe; each call costs one uncontended lock or
// atomic operation, no look-up by name.
class ModelMetrics {
 public:
  virtual ~ModelMetrics() = default;

  // patchserve_requests_total, patchserve_request_duration_seconds: a request was
  // answered with `code`, `duration` after it came in.
  virtual void RequestAnswered(absl::StatusCode code, absl::Duration duration) = 0;
  // patchserve_images_in_time_total: one of them was answered with a result by its
  // deadline.
  virtual void AnsweredInTime() = 0;
  // patchserve_embeddings_total: an image was answered with an embedding.
  virtual void AnsweredWithEmbedding() = 0;
  // patchserve_shed_total
  virtual void Shed(ShedReason reason, Criticality criticality) = 0;
  // patchserve_demand_seconds_total: a request came that asks for so much of the time of all
  // decoding threads, and of all runners.
  virtual void Demanded(absl::Duration decode, absl::Duration run) = 0;
  // patchserve_stage_duration_seconds
  virtual void StageTook(Stage stage, absl::Duration duration) = 0;
  // patchserve_batch_size, patchserve_images_total
  virtual void BatchRan(int images) = 0;
  // patchserve_dead_images_total: an image ran although its request had expired or been
  // cancelled before its batch started.
  virtual void DeadImageRan() = 0;
  // patchserve_predicted_queue_delay_seconds
  virtual void SetPredictedWait(absl::Duration wait) = 0;
  // patchserve_queue_depth: requests that are admitted and not yet running.
  virtual void QueueDepthChanged(int difference) = 0;
  // patchserve_model_ready
  virtual void SetReady(bool ready) = 0;
  // patchserve_model_info
  virtual void SetInfo(const ModelInfo& info) = 0;
  // nv_model_load_duration_secs: how long the model that is ready took to load, its warm-up
  // included.
  virtual void SetLoadTime(absl::Duration took) = 0;
  // No model is loaded.
  virtual void ClearInfo() = 0;

  // For ModelStatistics, and the nv_inference_* metrics.
  virtual InferenceStatistics& statistics() = 0;
};

class DeviceMetrics {
 public:
  virtual ~DeviceMetrics() = default;
  // patchserve_device_busy_seconds_total: a runner was busy for so long.
  virtual void Busy(absl::Duration duration) = 0;
  // patchserve_device_runners
  virtual void SetRunners(int runners) = 0;
};

// All metrics of the process, and the HTTP server that Prometheus scrapes.
// Thread-safe.
class Metrics {
 public:
  // patchserve_build_info{version}
  static std::unique_ptr<Metrics> Create(const std::string& version);
  virtual ~Metrics() = default;

  // Created at the first call for a name; lives as long as this.
  virtual ModelMetrics& Model(const std::string& name) = 0;
  // A request for a model that doesn't exist was answered: patchserve_requests_total
  // with the model "".
  virtual void UnknownModelAnswered(absl::StatusCode code) = 0;
  virtual DeviceMetrics& Device(const std::string& name) = 0;

  // patchserve_in_flight: requests that are not answered yet.
  virtual void InFlightChanged(int difference) = 0;

  // From now on the scrape also has the figures of models, CPUs and GPUs under the names that
  // Triton's dashboards use: see triton_metrics.h, machine_metrics.h and gpu_metrics.h.
  virtual void ShowTritonNames() = 0;

  // Called before each scrape, to set what isn't set by events; null: nothing is. No call
  // is under way when this returns.
  virtual void BeforeScrape(std::function<void()> callback) = 0;

  // patchserve_connections_open, _accepted_total, _refused_total and _ended_total of a port: from
  // now on each scrape asks `counts`.
  virtual void ShowConnections(const std::string& port,
                               std::function<ConnectionCounts()> counts) = 0;

  // patchserve_memory_limit_bytes, patchserve_memory_budget_bytes: the limit, and its parts by what
  // they are for.
  virtual void SetMemory(int64_t limit, const std::map<std::string, int64_t>& parts) = 0;

  // patchserve_unauthenticated_total: a call was refused for `reason`, no_token or unknown_token.
  virtual void CallRefused(const std::string& reason) = 0;
  // patchserve_handshakes_failed_total: of TLS, by the reasons of rpc/handshake_failure.h.
  virtual void HandshakeFailed(const std::string& reason) = 0;
  // patchserve_certificate_changes_total: certificate, key or client CA changed, and they fit
  // together or not.
  virtual void CertificateChanged(bool fit) = 0;
  // patchserve_certificate_expiry_timestamp_seconds: from now on each scrape asks `end`, which may
  // not know.
  virtual void ShowCertificateEnd(std::function<std::optional<absl::Time>()> end) = 0;

  // Serves /metrics on "host:port" (port 0: any) until this is destroyed (http_server.h).
  // Errors: those of ListenOn.
  virtual absl::Status Expose(const std::string& address) = 0;
  // The port that Expose bound; 0 before.
  virtual int port() const = 0;

  // What /metrics answers.
  virtual std::string Scrape() const = 0;
};

}  // namespace patchserve
