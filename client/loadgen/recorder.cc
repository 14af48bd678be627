#include "client/loadgen/recorder.h"

#include <algorithm>
#include <cmath>

namespace patchserve {
namespace {

Latencies LatenciesOf(std::vector<absl::Duration> values) {
  return {.count = static_cast<int64_t>(values.size()),
          .p50 = Percentile(values, 0.5),
          .p90 = Percentile(values, 0.9),
          .p99 = Percentile(values, 0.99),
          .p999 = Percentile(values, 0.999),
          .max = Percentile(values, 1)};
}

}  // namespace

std::optional<absl::Duration> Percentile(std::vector<absl::Duration>& values, double p) {
  if (values.empty()) return std::nullopt;
  // 0.9 * 10 must be rank 9, though the product may be a hair more.
  const double rank = std::ceil(p * static_cast<double>(values.size()) - 1e-9);
  const auto nth = values.begin() + std::max<int64_t>(static_cast<int64_t>(rank) - 1, 0);
  std::nth_element(values.begin(), nth, values.end());
  return *nth;
}

void Recorder::Add(const Outcome& outcome) {
  if (outcome.intended < begin_ || outcome.intended >= end_) return;
  late_.push_back(outcome.late);
  if (!outcome.status) {
    ++results_["NOT_SENT"];
    return;
  }
  const std::string code = absl::StatusCodeToString(outcome.status->code());
  ++results_[code];
  all_.push_back(outcome.latency);
  if (!outcome.status->ok()) {
    messages_.try_emplace(code, outcome.status->message());
    return;
  }
  ok_.push_back(outcome.latency);
  if (outcome.latency <= deadline_) ++in_time_;
}

Summary Recorder::Summarize() const {
  Summary summary;
  summary.results = results_;
  summary.messages = messages_;
  for (const auto& [code, count] : results_) summary.requests += count;
  const double seconds = absl::ToDoubleSeconds(end_ - begin_);
  summary.offered = summary.requests / seconds;
  summary.throughput = ok_.size() / seconds;
  summary.goodput = in_time_ / seconds;
  summary.ok = LatenciesOf(ok_);
  summary.all = LatenciesOf(all_);
  std::vector<absl::Duration> late = late_;
  summary.late_p99 = Percentile(late, 0.99);
  return summary;
}

}  // namespace patchserve
