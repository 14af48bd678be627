#include "server/metrics/model_metrics.h"

#include <utility>

namespace patchserve {
namespace {

// In the order of the enums.
constexpr const char* kStageNames[] = {"decode", "queue", "run", "respond"};
constexpr const char* kShedReasonNames[] = {"queue_full", "bytes",   "decoding",
                                            "late",       "expired", "draining"};
constexpr const char* kCriticalityNames[] = {"sheddable", "default", "critical"};

constexpr absl::StatusCode kUsualCodes[] = {
    absl::StatusCode::kOk,          absl::StatusCode::kInvalidArgument,
    absl::StatusCode::kCancelled,   absl::StatusCode::kDeadlineExceeded,
    absl::StatusCode::kInternal,    absl::StatusCode::kResourceExhausted,
    absl::StatusCode::kUnavailable,
};

}  // namespace

void RequestCounters::ShowUsual() {
  for (absl::StatusCode code : kUsualCodes) Counted(code);
}

prometheus::Counter& RequestCounters::Counted(absl::StatusCode code) {
  std::atomic<prometheus::Counter*>& counter = by_code_[static_cast<size_t>(code) % kStatusCodes];
  prometheus::Counter* found = counter.load(std::memory_order_acquire);
  if (found == nullptr) {  // two threads at once get the same one from the family
    found = &families_.requests.Add({{"model", model_}, {"code", absl::StatusCodeToString(code)}});
    counter.store(found, std::memory_order_release);
  }
  return *found;
}

PrometheusModelMetrics::PrometheusModelMetrics(const std::string& model, Families& families)
    : model_(model),
      families_(families),
      requests_(model, families),
      ok_duration_(families.request_duration.Add({{"model", model}, {"outcome", "ok"}}, kSeconds)),
      failed_duration_(
          families.request_duration.Add({{"model", model}, {"outcome", "failed"}}, kSeconds)),
      batch_size_(families.batch_size.Add({{"model", model}}, kBatchSizes)),
      images_(families.images.Add({{"model", model}})),
      images_in_time_(families.images_in_time.Add({{"model", model}})),
      embeddings_(families.embeddings.Add({{"model", model}})),
      dead_images_(families.dead_images.Add({{"model", model}})),
      decode_demand_(families.demand.Add({{"model", model}, {"stage", "decode"}})),
      run_demand_(families.demand.Add({{"model", model}, {"stage", "run"}})),
      predicted_wait_(families.predicted_wait.Add({{"model", model}})),
      queue_depth_(families.queue_depth.Add({{"model", model}})),
      ready_(families.model_ready.Add({{"model", model}})) {
  requests_.ShowUsual();
  for (size_t stage = 0; stage < kStages; ++stage) {
    stages_[stage] =
        &families.stage_duration.Add({{"model", model}, {"stage", kStageNames[stage]}}, kSeconds);
  }
  for (size_t reason = 0; reason < kShedReasons; ++reason) {
    for (size_t level = 0; level < kCriticalities; ++level) {
      shed_[reason][level] = &families.shed.Add({{"model", model},
                                                 {"reason", kShedReasonNames[reason]},
                                                 {"criticality", kCriticalityNames[level]}});
    }
  }
}

void PrometheusModelMetrics::RequestAnswered(absl::StatusCode code, absl::Duration duration) {
  requests_.Increment(code);
  prometheus::Histogram& durations =
      code == absl::StatusCode::kOk ? ok_duration_ : failed_duration_;
  durations.Observe(absl::ToDoubleSeconds(duration));
}

void PrometheusModelMetrics::Demanded(absl::Duration decode, absl::Duration run) {
  decode_demand_.Increment(absl::ToDoubleSeconds(decode));
  run_demand_.Increment(absl::ToDoubleSeconds(run));
}

void PrometheusModelMetrics::BatchRan(int images) {
  batch_size_.Observe(images);
  images_.Increment(images);
}

void PrometheusModelMetrics::SetInfo(const ModelInfo& info) {
  Lock lock(mutex_);
  if (info_ != nullptr) families_.model_info.Remove(info_);
  prometheus::Labels labels = {{"model", model_},
                               {"version", info.version},
                               {"architecture", info.architecture},
                               {"device", info.device},
                               {"precision", info.precision}};
  if (!info.commit.empty()) labels["commit"] = info.commit;
  info_ = &families_.model_info.Add(labels);
  info_->Set(1);
}

void PrometheusModelMetrics::ClearInfo() {
  Lock lock(mutex_);
  load_time_ = std::nullopt;
  if (info_ != nullptr) families_.model_info.Remove(std::exchange(info_, nullptr));
}

void PrometheusModelMetrics::SetLoadTime(absl::Duration took) {
  Lock lock(mutex_);
  load_time_ = took;
}

std::optional<absl::Duration> PrometheusModelMetrics::load_time() {
  Lock lock(mutex_);
  return load_time_;
}

}  // namespace patchserve
