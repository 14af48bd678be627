#include "server/metrics/inference_statistics.h"

namespace patchserve {

void InferenceStatistics::Succeeded(int images, const RequestTimes& times, absl::Time now) {
  Lock lock(mutex_);
  sums_.success.Add(times.total);
  sums_.queue.Add(times.queue);
  sums_.input.Add(times.input);
  sums_.infer.Add(times.infer);
  sums_.output.Add(times.output);
  sums_.images += images;
  sums_.last_success = now;
}

void InferenceStatistics::Failed(absl::StatusCode code, absl::Duration total) {
  Lock lock(mutex_);
  sums_.fail.Add(total);
  ++sums_.failed_by_code[static_cast<size_t>(code) % sums_.failed_by_code.size()];
}

void InferenceStatistics::BatchRan(int images, absl::Duration input, absl::Duration infer,
                                   absl::Duration output) {
  Lock lock(mutex_);
  ++sums_.batches;
  Batches& of_size = sums_.batches_by_size[images];
  of_size.input.Add(input);
  of_size.infer.Add(infer);
  of_size.output.Add(output);
}

InferenceStatistics::Snapshot InferenceStatistics::Get() const {
  Lock lock(mutex_);
  return sums_;
}

}  // namespace patchserve
