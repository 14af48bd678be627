#include "server/metrics/metrics.h"

#include <atomic>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "prometheus/counter.h"
#include "prometheus/gauge.h"
#include "prometheus/registry.h"
#include "prometheus/text_serializer.h"
#include "server/base/mutex.h"
#include "server/metrics/connection_metrics.h"
#include "server/metrics/families.h"
#include "server/metrics/gpu_metrics.h"
#include "server/metrics/machine_metrics.h"
#include "server/metrics/model_metrics.h"
#include "server/metrics/process_metrics.h"
#include "server/metrics/triton_metrics.h"
#include "server/net/http_server.h"

namespace patchserve {
namespace {

using prometheus::Counter;
using prometheus::Gauge;

// Of Prometheus' text format.
constexpr char kContentType[] = "text/plain; version=0.0.4; charset=utf-8";

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
    Lock lock(mutex_);
    callback_ = std::move(callback);
  }
  std::vector<prometheus::MetricFamily> Collect() const override {
    Lock lock(mutex_);
    if (callback_) callback_();
    return {};
  }

 private:
  mutable Mutex mutex_;
  std::function<void()> callback_ ABSL_GUARDED_BY(mutex_);
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
    for (const char* result : {"loaded", "refused"}) {
      families_.certificate_changes.Add({{"result", result}});
    }
  }

  ModelMetrics& Model(const std::string& name) override {
    Lock lock(mutex_);
    auto& model = models_[name];
    if (model == nullptr) model = std::make_unique<PrometheusModelMetrics>(name, families_);
    return *model;
  }

  void UnknownModelAnswered(absl::StatusCode code) override { unknown_model_.Increment(code); }

  DeviceMetrics& Device(const std::string& name) override {
    Lock lock(mutex_);
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
  void CertificateChanged(bool fit) override {
    families_.certificate_changes.Add({{"result", fit ? "loaded" : "refused"}}).Increment();
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
    Lock lock(mutex_);
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
  Mutex mutex_;
  std::map<std::string, std::unique_ptr<PrometheusModelMetrics>> models_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::unique_ptr<PrometheusDeviceMetrics>> devices_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<HttpServer> http_;
};

}  // namespace

std::unique_ptr<Metrics> Metrics::Create(const std::string& version) {
  return std::make_unique<PrometheusMetrics>(version);
}

}  // namespace patchserve
