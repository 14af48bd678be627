#include "server/metrics/triton_metrics.h"

#include <map>
#include <utility>

namespace patchserve {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Snapshot = InferenceStatistics::Snapshot;

ClientMetric Value(const std::string& model, MetricType type, double value) {
  ClientMetric metric;
  metric.label = {{"model", model}, {"version", "1"}};
  if (type == MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
  return metric;
}

// Triton's reasons.
const char* Reason(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kCancelled:
      return "CANCELED";
    case absl::StatusCode::kInternal:
      return "BACKEND";
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kUnavailable:
      return "REJECTED";
    default:
      return "OTHER";
  }
}

MetricFamily Failures(const std::vector<TritonFigures>& models) {
  MetricFamily family{"nv_inference_request_failure", "Requests that failed, by reason.",
                      MetricType::Counter};
  for (const TritonFigures& model : models) {
    std::map<std::string, double> by_reason = {
        {"CANCELED", 0}, {"BACKEND", 0}, {"REJECTED", 0}, {"OTHER", 0}};
    const auto& by_code = model.statistics.failed_by_code;
    for (size_t code = 1; code < by_code.size(); ++code) {
      by_reason[Reason(static_cast<absl::StatusCode>(code))] += by_code[code];
    }
    for (const auto& [reason, count] : by_reason) {
      family.metric.push_back(Value(model.model, MetricType::Counter, count));
      family.metric.back().label.push_back({"reason", reason});
    }
  }
  return family;
}

}  // namespace

std::vector<MetricFamily> TritonMetrics::Collect() const {
  const std::vector<TritonFigures> models = figures_();
  if (models.empty()) return {};
  std::vector<MetricFamily> families = {Failures(models)};
  auto add = [&](const char* name, const char* help, MetricType type, auto value) {
    MetricFamily family{name, help, type};
    for (const TritonFigures& model : models) {
      family.metric.push_back(Value(model.model, type, value(model)));
    }
    families.push_back(std::move(family));
  };
  auto count = [&](const char* name, const char* help, uint64_t Snapshot::*what) {
    add(name, help, MetricType::Counter,
        [what](const TritonFigures& model) { return model.statistics.*what; });
  };
  auto duration = [&](const char* name, const char* help, InferenceStatistics::Sum Snapshot::*of) {
    add(name, help, MetricType::Counter, [of](const TritonFigures& model) {
      return absl::ToDoubleMicroseconds((model.statistics.*of).time);
    });
  };
  add("nv_inference_request_success", "Requests that were answered.", MetricType::Counter,
      [](const TritonFigures& model) { return model.statistics.success.count; });
  count("nv_inference_count", "Images of requests that were answered.", &Snapshot::images);
  count("nv_inference_exec_count", "Batches that ran.", &Snapshot::batches);
  duration("nv_inference_request_duration_us", "From arrival to answer.", &Snapshot::success);
  duration("nv_inference_queue_duration_us", "Waiting for a decoder and for the device.",
           &Snapshot::queue);
  duration("nv_inference_compute_input_duration_us", "Decoding.", &Snapshot::input);
  duration("nv_inference_compute_infer_duration_us", "The batch on the device.", &Snapshot::infer);
  duration("nv_inference_compute_output_duration_us", "Ranking.", &Snapshot::output);
  add("nv_inference_pending_request_count", "Requests that wait.", MetricType::Gauge,
      [](const TritonFigures& model) { return model.pending; });
  MetricFamily load{"nv_model_load_duration_secs", "Loading the model, with its warm-up.",
                    MetricType::Gauge};
  for (const TritonFigures& model : models) {
    if (!model.load_time) continue;
    load.metric.push_back(
        Value(model.model, MetricType::Gauge, absl::ToDoubleSeconds(*model.load_time)));
  }
  families.push_back(std::move(load));
  return families;
}

}  // namespace patchserve
