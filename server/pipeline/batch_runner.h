// The second half of a request's way: its batch runs, and its answer is made.
#pragma once

#include <atomic>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "server/base/steady_clock.h"
#include "server/base/thread_pool.h"
#include "server/metrics/metrics.h"
#include "server/pipeline/call.h"
#include "server/pipeline/finished_batch.h"
#include "server/pipeline/model_registry.h"
#include "server/scheduling/executor.h"

namespace patchserve {

// Thread-safe.
class BatchRunner {
 public:
  struct Options {
    // That answer batches of more than 16 images, so that the runner takes its next batch at once.
    // 0: runners answer theirs themselves.
    int answer_threads = 0;
    // Called once, on a runner, when the device is lost for good.
    std::function<void(const absl::Status&)> device_lost = [](const absl::Status&) {};
    // The clock of deadlines.
    std::function<absl::Time()> now = SteadyNow;
  };

  // Both references must outlive this.
  BatchRunner(Options options, Executor<CallPtr>& executor, DeviceMetrics& metrics);

  // A model's RunBatch (executor.h): runs the batch, of one model, padded to `bucket`, and answers
  // each of its calls. Where the device has too little memory for that, once more in smaller
  // buckets, which are the most from then on.
  void Run(std::vector<CallPtr> batch, int bucket, const Executor<CallPtr>::DeviceDone& device_done,
           Executor<CallPtr>::Answered answered);

  // Makes the answers that are due, and joins the threads. To be called after the executor's Stop.
  void Stop() { answer_pool_.Stop(); }

 private:
  void RunInHalves(const ServedModel& model, absl::Span<CallPtr> batch, int bucket,
                   const absl::Status& why);
  DeviceRun Forward(const ServedModel& model, absl::Span<const CallPtr> calls, int bucket);
  void Deliver(const ServedModel& model, std::vector<CallPtr> calls, DeviceRun run,
               Executor<CallPtr>::Answered answered);
  void Fail(const ServedModel& model, absl::Span<const CallPtr> calls, const absl::Status& why);

  const Options options_;
  Executor<CallPtr>& executor_;
  DeviceMetrics& metrics_;
  std::atomic<bool> device_lost_ = false;
  ThreadPool answer_pool_;
};

}  // namespace patchserve
