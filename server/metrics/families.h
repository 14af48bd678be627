// Every metric that is counted by events: its name, what it means, its type. Those that are looked
// up at a scrape are in connection_metrics, process_metrics, triton_metrics, machine_metrics and
// gpu_metrics.
#pragma once

#include <string>

#include "prometheus/counter.h"
#include "prometheus/family.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"

namespace patchserve {

// Seconds: 250 us to 10 s, each 2 or 2.5 times the one before.
inline const prometheus::Histogram::BucketBoundaries kSeconds = {
    0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
inline const prometheus::Histogram::BucketBoundaries kBatchSizes = {1,  2,  4,   8,  16,
                                                                    32, 64, 128, 256};

// Made once: a family is found by name only when a child is made.
class Families {
  template <typename Metric>
  using Family = prometheus::Family<Metric>;
  using Counter = prometheus::Counter;
  using Gauge = prometheus::Gauge;
  using Histogram = prometheus::Histogram;

  prometheus::Registry& registry_;

 public:
  explicit Families(prometheus::Registry& registry) : registry_(registry) {}

  Family<Counter>& requests =
      NewCounter("patchserve_requests_total", "Requests answered, by status code.");
  Family<Histogram>& request_duration =
      NewHistogram("patchserve_request_duration_seconds",
                   "From a request's arrival to its answer, ok or failed.");
  Family<Histogram>& stage_duration =
      NewHistogram("patchserve_stage_duration_seconds", "Time of a request in each stage.");
  Family<Histogram>& batch_size =
      NewHistogram("patchserve_batch_size", "Images that ran together.");
  Family<Counter>& images =
      NewCounter("patchserve_images_total", "Images that went through the model.");
  Family<Counter>& images_in_time = NewCounter("patchserve_images_in_time_total",
                                               "Images answered with a result by their deadline.");
  Family<Counter>& embeddings =
      NewCounter("patchserve_embeddings_total", "Images answered with an embedding.");
  Family<Counter>& dead_images = NewCounter(
      "patchserve_dead_images_total", "Images that ran although nobody waited for them any more.");
  Family<Counter>& shed =
      NewCounter("patchserve_shed_total", "Good requests that were not served, by reason.");
  Family<Counter>& demand =
      NewCounter("patchserve_demand_seconds_total",
                 "Time of all decoding threads, or all runners, that requests asked for.");
  Family<Gauge>& predicted_wait =
      NewGauge("patchserve_predicted_queue_delay_seconds",
               "How long a request would wait before it runs, if it came now.");
  Family<Gauge>& queue_depth =
      NewGauge("patchserve_queue_depth", "Requests admitted and not yet running.");
  Family<Gauge>& model_info = NewGauge("patchserve_model_info", "1 for each loaded model.");
  Family<Gauge>& model_ready =
      NewGauge("patchserve_model_ready", "1 if the model answers requests.");
  Family<Counter>& device_busy =
      NewCounter("patchserve_device_busy_seconds_total",
                 "Time that runners were busy, summed over the runners.");
  Family<Gauge>& device_runners =
      NewGauge("patchserve_device_runners", "Batches that can run at once.");
  Family<Gauge>& in_flight =
      NewGauge("patchserve_in_flight", "Requests that are not answered yet.");
  Family<Gauge>& memory_limit =
      NewGauge("patchserve_memory_limit_bytes", "What the process may take in all.");
  Family<Gauge>& memory_budget = NewGauge("patchserve_memory_budget_bytes", "How that is divided.");
  Family<Counter>& unauthenticated =
      NewCounter("patchserve_unauthenticated_total",
                 "Calls refused for want of a token that is known, by reason.");
  Family<Counter>& handshakes_failed =
      NewCounter("patchserve_handshakes_failed_total", "TLS handshakes that failed, by reason.");
  Family<Counter>& certificate_changes =
      NewCounter("patchserve_certificate_changes_total",
                 "Changes of certificate, key and client CA that a scrape saw, by result.");
  Family<Gauge>& certificate_end =
      NewGauge("patchserve_certificate_expiry_timestamp_seconds",
               "When the server's certificate ends, in seconds since 1970.");
  Family<Gauge>& build_info = NewGauge("patchserve_build_info", "1, labelled with the version.");

 private:
  Family<Counter>& NewCounter(const std::string& name, const std::string& help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry_);
  }
  Family<Gauge>& NewGauge(const std::string& name, const std::string& help) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry_);
  }
  Family<Histogram>& NewHistogram(const std::string& name, const std::string& help) {
    return prometheus::BuildHistogram().Name(name).Help(help).Register(registry_);
  }
};

}  // namespace patchserve
