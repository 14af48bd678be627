// A model's figures as children of the families.
#pragma once

#include <array>
#include <atomic>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/base/mutex.h"
#include "server/metrics/families.h"
#include "server/metrics/inference_statistics.h"
#include "server/metrics/metrics.h"

namespace patchserve {

// patchserve_requests_total of one model. The counter of a code that isn't usual is made when it is
// first seen: most never are. Thread-safe.
class RequestCounters {
 public:
  RequestCounters(std::string model, Families& families)
      : model_(std::move(model)), families_(families) {}

  // The codes that alerts ask for: from 0, else the first of a kind would be no increase.
  void ShowUsual();
  void Increment(absl::StatusCode code) { Counted(code).Increment(); }

 private:
  static constexpr int kStatusCodes = 17;  // absl::StatusCode's 0 to 16 are gRPC's

  prometheus::Counter& Counted(absl::StatusCode code);

  const std::string model_;
  Families& families_;
  std::array<std::atomic<prometheus::Counter*>, kStatusCodes> by_code_{};
};

class PrometheusModelMetrics : public ModelMetrics {
 public:
  PrometheusModelMetrics(const std::string& model, Families& families);

  void RequestAnswered(absl::StatusCode code, absl::Duration duration) override;
  void AnsweredInTime() override { images_in_time_.Increment(); }
  void AnsweredWithEmbedding() override { embeddings_.Increment(); }
  void Shed(ShedReason reason, Criticality criticality) override {
    shed_[static_cast<size_t>(reason)][static_cast<size_t>(criticality)]->Increment();
  }
  void Demanded(absl::Duration decode, absl::Duration run) override;
  void StageTook(Stage stage, absl::Duration duration) override {
    stages_[static_cast<size_t>(stage)]->Observe(absl::ToDoubleSeconds(duration));
  }
  void BatchRan(int images) override;
  void DeadImageRan() override { dead_images_.Increment(); }
  void SetPredictedWait(absl::Duration wait) override {
    predicted_wait_.Set(absl::ToDoubleSeconds(wait));
  }
  void QueueDepthChanged(int difference) override { queue_depth_.Increment(difference); }
  void SetReady(bool ready) override { ready_.Set(ready ? 1 : 0); }
  void SetInfo(const ModelInfo& info) override;
  void SetLoadTime(absl::Duration took) override;
  void ClearInfo() override;
  InferenceStatistics& statistics() override { return statistics_; }

  std::optional<absl::Duration> load_time();
  double queue_depth() const { return queue_depth_.Value(); }

 private:
  static constexpr size_t kStages = 4, kShedReasons = 6, kCriticalities = 3;

  const std::string model_;
  Families& families_;
  RequestCounters requests_;
  prometheus::Histogram& ok_duration_;
  prometheus::Histogram& failed_duration_;
  std::array<prometheus::Histogram*, kStages> stages_;
  prometheus::Histogram& batch_size_;
  prometheus::Counter& images_;
  prometheus::Counter& images_in_time_;
  prometheus::Counter& embeddings_;
  prometheus::Counter& dead_images_;
  std::array<std::array<prometheus::Counter*, kCriticalities>, kShedReasons> shed_;
  prometheus::Counter& decode_demand_;
  prometheus::Counter& run_demand_;
  prometheus::Gauge& predicted_wait_;
  prometheus::Gauge& queue_depth_;
  prometheus::Gauge& ready_;
  InferenceStatistics statistics_;
  Mutex mutex_;
  prometheus::Gauge* info_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::optional<absl::Duration> load_time_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace patchserve
