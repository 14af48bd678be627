// The models' figures under Triton's names, for dashboards and alerts that know those
// (docs/user_guide/metrics.md of triton-inference-server/server).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"
#include "server/metrics/inference_statistics.h"

namespace patchserve {

struct TritonFigures {
  std::string model;
  InferenceStatistics::Snapshot statistics;
  double pending = 0;                       // requests that wait
  std::optional<absl::Duration> load_time;  // of the model that is ready; nothing: none is
};

// nv_inference_request_success, _request_failure, _count, _exec_count, _pending_request_count, the
// durations in microseconds, and nv_model_load_duration_secs, labelled with model and version.
class TritonMetrics : public prometheus::Collectable {
 public:
  // `figures` is called at each scrape: nothing is shown if there are none.
  explicit TritonMetrics(std::function<std::vector<TritonFigures>()> figures)
      : figures_(std::move(figures)) {}

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const std::function<std::vector<TritonFigures>()> figures_;
};

}  // namespace patchserve
