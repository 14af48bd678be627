#include "server/metrics/metrics.h"

#include <array>
#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "prometheus/counter.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"
#include "prometheus/text_serializer.h"
#include "server/metrics/connection_metrics.h"
#include "server/metrics/gpu_metrics.h"
#include "server/metrics/machine_metrics.h"
#include "server/metrics/process_metrics.h"
#include "server/metrics/triton_metrics.h"
#include "server/net/http_server.h"

namespace patchserve {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;

constexpr int kStatusCodes = 17;  // absl::StatusCode's 0 to 16 are gRPC's
constexpr std::array<const char*, 4> kStages = {"decode", "queue", "run", "respond"};
constexpr std::array<const char*, 6> kShedReasons = {"queue_full", "bytes",   "decoding",
                                                     "late",       "expired", "draining"};

constexpr std::array<const char*, 3> kCriticalities = {"sheddable", "default", "critical"};

// Of Prometheus' text format.
constexpr char kContentType[] = "text/plain; version=0.0.4; charset=utf-8";

// Seconds: 250 us to 10 s, each 2 or 2.5 times the one before.
const Histogram::BucketBoundaries kSeconds = {
    0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
const Histogram::BucketBoundaries kBatchSizes = {1, 2, 4, 8, 16, 32, 64, 128, 256};

// Every family, made once: a family is found by name only when a child is made.
struct Families {
  explicit Families(prometheus::Registry& r)
      : requests(prometheus::BuildCounter()
                     .Name("patchserve_requests_total")
                     .Help("Requests answered, by status code.")
                     .Register(r)),
        request_duration(prometheus::BuildHistogram()
                             .Name("patchserve_request_duration_seconds")
                             .Help("From a request's arrival to its answer, ok or failed.")
                             .Register(r)),
        stage_duration(prometheus::BuildHistogram()
                           .Name("patchserve_stage_duration_seconds")
                           .Help("Time of a request in each stage.")
                           .Register(r)),
        batch_size(prometheus::BuildHistogram()
                       .Name("patchserve_batch_size")
                       .Help("Images that ran together.")
                       .Register(r)),
        images(prometheus::BuildCounter()
                   .Name("patchserve_images_total")
                   .Help("Images that went through the model.")
                   .Register(r)),
        images_in_time(prometheus::BuildCounter()
                           .Name("patchserve_images_in_time_total")
                           .Help("Images answered with a result by their deadline.")
                           .Register(r)),
        embeddings(prometheus::BuildCounter()
                       .Name("patchserve_embeddings_total")
                       .Help("Images answered with an embedding.")
                       .Register(r)),
        dead_images(prometheus::BuildCounter()
                        .Name("patchserve_dead_images_total")
                        .Help("Images that ran although nobody waited for them any more.")
                        .Register(r)),
        shed(prometheus::BuildCounter()
                 .Name("patchserve_shed_total")
                 .Help("Good requests that were not served, by reason.")
                 .Register(r)),
        demand(prometheus::BuildCounter()
                   .Name("patchserve_demand_seconds_total")
                   .Help("Time of all decoding threads, or all runners, that requests asked for.")
                   .Register(r)),
        predicted_wait(prometheus::BuildGauge()
                           .Name("patchserve_predicted_queue_delay_seconds")
                           .Help("How long a request would wait before it runs, if it came now.")
                           .Register(r)),
        queue_depth(prometheus::BuildGauge()
                        .Name("patchserve_queue_depth")
                        .Help("Requests admitted and not yet running.")
                        .Register(r)),
        model_info(prometheus::BuildGauge()
                       .Name("patchserve_model_info")
                       .Help("1 for each loaded model.")
                       .Register(r)),
        model_ready(prometheus::BuildGauge()
                        .Name("patchserve_model_ready")
                        .Help("1 if the model answers requests.")
                        .Register(r)),
        device_busy(prometheus::BuildCounter()
                        .Name("patchserve_device_busy_seconds_total")
                        .Help("Time that runners were busy, summed over the runners.")
                        .Register(r)),
        device_runners(prometheus::BuildGauge()
                           .Name("patchserve_device_runners")
                           .Help("Batches that can run at once.")
                           .Register(r)),
        in_flight(prometheus::BuildGauge()
                      .Name("patchserve_in_flight")
                      .Help("Requests that are not answered yet.")
                      .Register(r)),
        memory_limit(prometheus::BuildGauge()
                         .Name("patchserve_memory_limit_bytes")
                         .Help("What the process may take in all.")
                         .Register(r)),
        memory_budget(prometheus::BuildGauge()
                          .Name("patchserve_memory_budget_bytes")
                          .Help("How that is divided.")
                          .Register(r)),
        unauthenticated(prometheus::BuildCounter()
                            .Name("patchserve_unauthenticated_total")
                            .Help("Calls refused for want of a token that is known, by reason.")
                            .Register(r)),
        handshakes_failed(prometheus::BuildCounter()
                              .Name("patchserve_handshakes_failed_total")
                              .Help("TLS handshakes that failed, by reason.")
                              .Register(r)),
        certificate_end(prometheus::BuildGauge()
                            .Name("patchserve_certificate_expiry_timestamp_seconds")
                            .Help("When the server's certificate ends, in seconds since 1970.")
                            .Register(r)),
        build_info(prometheus::BuildGauge()
                       .Name("patchserve_build_info")
                       .Help("1, labelled with the version.")
                       .Register(r)) {}

  Family<Counter>& requests;
  Family<Histogram>& request_duration;
  Family<Histogram>& stage_duration;
  Family<Histogram>& batch_size;
  Family<Counter>& images;
  Family<Counter>& images_in_time;
  Family<Counter>& embeddings;
  Family<Counter>& dead_images;
  Family<Counter>& shed;
  Family<Counter>& demand;
  Family<Gauge>& predicted_wait;
  Family<Gauge>& queue_depth;
  Family<Gauge>& model_info;
  Family<Gauge>& model_ready;
  Family<Counter>& device_busy;
  Family<Gauge>& device_runners;
  Family<Gauge>& in_flight;
  Family<Gauge>& memory_limit;
  Family<Gauge>& memory_budget;
  Family<Counter>& unauthenticated;
  Family<Counter>& handshakes_failed;
  Family<Gauge>& certificate_end;
  Family<Gauge>& build_info;
};

// The codes that alerts ask for: from 0, else the first of a kind would be no increase.
constexpr absl::StatusCode kUsualCodes[] = {
    absl::StatusCode::kOk,          absl::StatusCode::kInvalidArgument,
    absl::StatusCode::kCancelled,   absl::StatusCode::kDeadlineExceeded,
    absl::StatusCode::kInternal,    absl::StatusCode::kResourceExhausted,
    absl::StatusCode::kUnavailable,
};

// patchserve_requests_total of one model. The counter of a code that isn't usual is made when it is
// first seen: most never are.
class RequestCounters {
 public:
  RequestCounters(std::string model, Families& families)
      : model_(std::move(model)), families_(families) {}

  void ShowUsual() {
    for (absl::StatusCode code : kUsualCodes) Counted(code);
  }
  void Increment(absl::StatusCode code) { Counted(code).Increment(); }

 private:
  Counter& Counted(absl::StatusCode code) {
    std::atomic<Counter*>& counter = by_code_[static_cast<size_t>(code) % kStatusCodes];
    Counter* found = counter.load(std::memory_order_acquire);
    if (found == nullptr) {  // two threads at once get the same one from the family
      found =
          &families_.requests.Add({{"model", model_}, {"code", absl::StatusCodeToString(code)}});
      counter.store(found, std::memory_order_release);
    }
    return *found;
  }

  const std::string model_;
  Families& families_;
  std::array<std::atomic<Counter*>, kStatusCodes> by_code_{};
};

class PrometheusModelMetrics : public ModelMetrics {
 public:
  PrometheusModelMetrics(std::string model, Families& families)
      : model_(std::move(model)),
        families_(families),
        requests_(model_, families),
        ok_duration_(
            families.request_duration.Add({{"model", model_}, {"outcome", "ok"}}, kSeconds)),
        failed_duration_(
            families.request_duration.Add({{"model", model_}, {"outcome", "failed"}}, kSeconds)),
        batch_size_(families.batch_size.Add({{"model", model_}}, kBatchSizes)),
        images_(families.images.Add({{"model", model_}})),
        images_in_time_(families.images_in_time.Add({{"model", model_}})),
        embeddings_(families.embeddings.Add({{"model", model_}})),
        dead_images_(families.dead_images.Add({{"model", model_}})),
        decode_demand_(families.demand.Add({{"model", model_}, {"stage", "decode"}})),
        run_demand_(families.demand.Add({{"model", model_}, {"stage", "run"}})),
        predicted_wait_(families.predicted_wait.Add({{"model", model_}})),
        queue_depth_(families.queue_depth.Add({{"model", model_}})),
        ready_(families.model_ready.Add({{"model", model_}})) {
    requests_.ShowUsual();
    for (size_t stage = 0; stage < kStages.size(); ++stage) {
      stages_[stage] =
          &families.stage_duration.Add({{"model", model_}, {"stage", kStages[stage]}}, kSeconds);
    }
    for (size_t reason = 0; reason < kShedReasons.size(); ++reason) {
      for (size_t level = 0; level < kCriticalities.size(); ++level) {
        shed_[reason][level] = &families.shed.Add({{"model", model_},
                                                   {"reason", kShedReasons[reason]},
                                                   {"criticality", kCriticalities[level]}});
      }
    }
  }

  void RequestAnswered(absl::StatusCode code, absl::Duration duration) override {
    requests_.Increment(code);
    Histogram& durations = code == absl::StatusCode::kOk ? ok_duration_ : failed_duration_;
    durations.Observe(absl::ToDoubleSeconds(duration));
  }
  void AnsweredInTime() override { images_in_time_.Increment(); }
  void AnsweredWithEmbedding() override { embeddings_.Increment(); }
  void Shed(ShedReason reason, Criticality criticality) override {
    shed_[static_cast<size_t>(reason)][static_cast<size_t>(criticality)]->Increment();
  }
  void Demanded(absl::Duration decode, absl::Duration run) override {
    decode_demand_.Increment(absl::ToDoubleSeconds(decode));
    run_demand_.Increment(absl::ToDoubleSeconds(run));
  }
  void StageTook(Stage stage, absl::Duration duration) override {
    stages_[static_cast<size_t>(stage)]->Observe(absl::ToDoubleSeconds(duration));
  }
  void BatchRan(int images) override {
    batch_size_.Observe(images);
    images_.Increment(images);
  }
  void DeadImageRan() override { dead_images_.Increment(); }
  void SetPredictedWait(absl::Duration wait) override {
    predicted_wait_.Set(absl::ToDoubleSeconds(wait));
  }
  void QueueDepthChanged(int difference) override { queue_depth_.Increment(difference); }
  void SetReady(bool ready) override { ready_.Set(ready ? 1 : 0); }
  void SetInfo(const std::string& version, const std::string& architecture,
               const std::string& device, const std::string& precision) override {
    std::lock_guard lock(mutex_);
    if (info_ != nullptr) families_.model_info.Remove(info_);
    info_ = &families_.model_info.Add({{"model", model_},
                                       {"version", version},
                                       {"architecture", architecture},
                                       {"device", device},
                                       {"precision", precision}});
    info_->Set(1);
  }
  void SetLoadTime(absl::Duration took) override {
    std::lock_guard lock(mutex_);
    load_time_ = took;
  }
  std::optional<absl::Duration> load_time() {
    std::lock_guard lock(mutex_);
    return load_time_;
  }
  void ClearInfo() override {
    std::lock_guard lock(mutex_);
    load_time_ = std::nullopt;
    if (info_ != nullptr) families_.model_info.Remove(std::exchange(info_, nullptr));
  }
  InferenceStatistics& statistics() override { return statistics_; }
  double queue_depth() const { return queue_depth_.Value(); }

 private:
  const std::string model_;
  Families& families_;
  RequestCounters requests_;
  Histogram& ok_duration_;
  Histogram& failed_duration_;
  std::array<Histogram*, kStages.size()> stages_;
  Histogram& batch_size_;
  Counter& images_;
  Counter& images_in_time_;
  Counter& embeddings_;
  Counter& dead_images_;
  std::array<std::array<Counter*, kCriticalities.size()>, kShedReasons.size()> shed_;
  Counter& decode_demand_;
  Counter& run_demand_;
  Gauge& predicted_wait_;
  Gauge& queue_depth_;
  Gauge& ready_;
  InferenceStatistics statistics_;
  std::mutex mutex_;
  Gauge* info_ = nullptr;                    // guarded by mutex_
  std::optional<absl::Duration> load_time_;  // guarded by mutex_
};

class PrometheusDeviceMetrics : public DeviceMetrics {
 public:
  PrometheusDeviceMetrics(const std::string& device, Families& families)
      : busy_(families.device_busy.Add({{"device", device}})),
        runners_(families.device_runners.Add({{"device", device}})) {}
  void Busy(absl::Duration duration) override { busy_.Increment(absl::ToDoubleSeconds(duration)); }
  void SetRunners(int runners) override { runners_.Set(runners); }

 private:
  Counter& busy_;
  Gauge& runners_;
};

// Collects nothing, but is asked first: it lets gauges be set that no event sets.
class ScrapeCallback : public prometheus::Collectable {
 public:
  void Set(std::function<void()> callback) {
    std::lock_guard lock(mutex_);
    callback_ = std::move(callback);
  }
  std::vector<prometheus::MetricFamily> Collect() const override {
    std::lock_guard lock(mutex_);
    if (callback_) callback_();
    return {};
  }

 private:
  mutable std::mutex mutex_;
  std::function<void()> callback_;  // guarded by mutex_
};

class PrometheusMetrics : public Metrics {
 public:
  explicit PrometheusMetrics(const std::string& version)
      : registry_(std::make_shared<prometheus::Registry>()),
        families_(*registry_),
        unknown_model_("", families_),
        in_flight_(families_.in_flight.Add({})) {
    families_.build_info.Add({{"version", version}}).Set(1);
    // From 0: else the first of a kind would be no increase.
    for (const char* reason : {"no_token", "unknown_token"}) {
      families_.unauthenticated.Add({{"reason", reason}});
    }
    for (const char* reason :
         {"not_tls", "no_certificate", "bad_certificate", "refused_by_client", "other"}) {
      families_.handshakes_failed.Add({{"reason", reason}});
    }
  }

  ModelMetrics& Model(const std::string& name) override {
    std::lock_guard lock(mutex_);
    auto& model = models_[name];
    if (model == nullptr) model = std::make_unique<PrometheusModelMetrics>(name, families_);
    return *model;
  }

  void UnknownModelAnswered(absl::StatusCode code) override { unknown_model_.Increment(code); }

  DeviceMetrics& Device(const std::string& name) override {
    std::lock_guard lock(mutex_);
    auto& device = devices_[name];
    if (device == nullptr) device = std::make_unique<PrometheusDeviceMetrics>(name, families_);
    return *device;
  }

  void InFlightChanged(int difference) override { in_flight_.Increment(difference); }

  void ShowTritonNames() override { show_triton_names_ = true; }

  void BeforeScrape(std::function<void()> callback) override {
    before_scrape_.Set(std::move(callback));
  }

  void ShowConnections(const std::string& port, std::function<ConnectionCounts()> counts) override {
    connections_.Show(port, std::move(counts));
  }

  void SetMemory(int64_t limit, const std::map<std::string, int64_t>& parts) override {
    families_.memory_limit.Add({}).Set(static_cast<double>(limit));
    for (const auto& [use, bytes] : parts) {
      families_.memory_budget.Add({{"for", use}}).Set(static_cast<double>(bytes));
    }
  }
  void CallRefused(const std::string& reason) override {
    families_.unauthenticated.Add({{"reason", reason}}).Increment();
  }
  void HandshakeFailed(const std::string& reason) override {
    families_.handshakes_failed.Add({{"reason", reason}}).Increment();
  }
  void ShowCertificateEnd(std::function<std::optional<absl::Time>()> end) override {
    Gauge& gauge = families_.certificate_end.Add({});
    certificate_.Set([&gauge, end = std::move(end)] {
      if (const auto known = end()) gauge.Set(absl::ToDoubleSeconds(*known - absl::UnixEpoch()));
    });
  }

  absl::Status Expose(const std::string& address) override {
    absl::StatusOr<ListeningSockets> sockets = ListenOn(address);
    if (!sockets.ok()) {
      return absl::Status(sockets.status().code(), absl::StrCat("can't serve metrics on ", address,
                                                                ": ", sockets.status().message()));
    }
    http_ = std::make_unique<HttpServer>(
        *std::move(sockets),
        std::map<std::string, HttpPage>{{"/metrics", {kContentType, [this] { return Scrape(); }}}});
    ShowConnections("metrics", [this] { return http_->connections(); });
    return absl::OkStatus();
  }

  int port() const override { return http_ == nullptr ? 0 : http_->port(); }

  std::string Scrape() const override {
    before_scrape_.Collect();
    certificate_.Collect();
    std::vector<prometheus::MetricFamily> families = registry_->Collect();
    std::vector<const prometheus::Collectable*> others = {&process_, &connections_};
    if (show_triton_names_) {
      others.push_back(&triton_);
      others.push_back(&machine_);
      others.push_back(&gpus_);
    }
    for (const prometheus::Collectable* other : others) {
      for (auto& family : other->Collect()) families.push_back(std::move(family));
    }
    return prometheus::TextSerializer().Serialize(families);
  }

 private:
  std::vector<TritonFigures> ForTriton() {
    std::vector<TritonFigures> figures;
    std::lock_guard lock(mutex_);
    for (const auto& [name, model] : models_) {
      figures.push_back(
          {name, model->statistics().Get(), model->queue_depth(), model->load_time()});
    }
    return figures;
  }

  const std::shared_ptr<prometheus::Registry> registry_;
  const ProcessMetrics process_;
  const MachineMetrics machine_;
  const GpuMetrics gpus_;
  ConnectionMetrics connections_;
  ScrapeCallback before_scrape_;
  ScrapeCallback certificate_;
  const TritonMetrics triton_{[this] { return ForTriton(); }};
  std::atomic<bool> show_triton_names_ = false;
  Families families_;
  RequestCounters unknown_model_;
  Gauge& in_flight_;
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<PrometheusModelMetrics>> models_;    // guarded by mutex_
  std::map<std::string, std::unique_ptr<PrometheusDeviceMetrics>> devices_;  // guarded by mutex_
  std::unique_ptr<HttpServer> http_;
};

}  // namespace

std::unique_ptr<Metrics> Metrics::Create(const std::string& version) {
  return std::make_unique<PrometheusMetrics>(version);
}

}  // namespace patchserve
