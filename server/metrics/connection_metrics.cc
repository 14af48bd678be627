#include "server/metrics/connection_metrics.h"

#include <utility>

namespace patchserve {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

ClientMetric Metric(std::vector<ClientMetric::Label> labels) {
  ClientMetric metric;
  metric.label = std::move(labels);
  return metric;
}

void Count(MetricFamily& family, std::vector<ClientMetric::Label> labels, int64_t value) {
  ClientMetric metric = Metric(std::move(labels));
  metric.counter.value = static_cast<double>(value);
  family.metric.push_back(std::move(metric));
}

}  // namespace

void ConnectionMetrics::Show(const std::string& port, std::function<ConnectionCounts()> counts) {
  Lock lock(mutex_);
  ports_[port] = std::move(counts);
}

std::vector<MetricFamily> ConnectionMetrics::Collect() const {
  MetricFamily open{"patchserve_connections_open", "Open connections.", MetricType::Gauge, {}};
  MetricFamily accepted{"patchserve_connections_accepted_total",
                        "Connections that were let in.",
                        MetricType::Counter,
                        {}};
  MetricFamily refused{"patchserve_connections_refused_total",
                       "Connections that were closed at once, by reason.",
                       MetricType::Counter,
                       {}};
  MetricFamily ended{"patchserve_connections_ended_total",
                     "Connections that were ended, by reason.",
                     MetricType::Counter,
                     {}};
  MetricFamily errors{"patchserve_accept_errors_total",
                      "Failed attempts to accept a connection, such as for want of descriptors.",
                      MetricType::Counter,
                      {}};
  MetricFamily resets{"patchserve_calls_reset_total",
                      "Calls that their client reset within 0.1 s, before their deadline.",
                      MetricType::Counter,
                      {}};
  Lock lock(mutex_);
  for (const auto& [port, get_counts] : ports_) {
    const ConnectionCounts counts = get_counts();
    ClientMetric gauge = Metric({{"port", port}});
    gauge.gauge.value = counts.open;
    open.metric.push_back(std::move(gauge));
    Count(accepted, {{"port", port}}, counts.accepted);
    Count(refused, {{"port", port}, {"reason", "full"}}, counts.refused_full);
    Count(refused, {{"port", port}, {"reason", "peer"}}, counts.refused_peer);
    Count(ended, {{"port", port}, {"reason", "silent"}}, counts.ended_silent);
    Count(ended, {{"port", port}, {"reason", "calls"}}, counts.ended_calls);
    Count(ended, {{"port", port}, {"reason", "memory"}}, counts.ended_memory);
    Count(ended, {{"port", port}, {"reason", "resets"}}, counts.ended_resets);
    Count(resets, {{"port", port}}, counts.resets);
    Count(errors, {{"port", port}}, counts.accept_errors);
  }
  if (ports_.empty()) return {};
  return {open, accepted, refused, ended, errors, resets};
}

}  // namespace patchserve
