#include "server/pipeline/batch_runner.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "spdlog/spdlog.h"

namespace patchserve {
namespace {

// Images whose answers a thread makes in one go: about 20 us each.
constexpr int kAnsweredTogether = 16;

// The largest bucket that holds at most half as many; `bucket` is more than 1.
int HalfOf(const std::vector<int>& buckets, int bucket) {
  return *std::prev(std::upper_bound(buckets.begin(), buckets.end(), bucket / 2));
}

}  // namespace

BatchRunner::BatchRunner(Options options, Executor<CallPtr>& executor, DeviceMetrics& metrics)
    : options_(std::move(options)),
      executor_(executor),
      metrics_(metrics),
      // Whoever waits for an answer has a place in a queue.
      answer_pool_("answer", options_.answer_threads, std::numeric_limits<int>::max()) {}

void BatchRunner::Run(std::vector<CallPtr> batch, int bucket,
                      const Executor<CallPtr>::DeviceDone& device_done,
                      Executor<CallPtr>::Answered answered) {
  // The model may be replaced meanwhile.
  const std::shared_ptr<const ServedModel> model = batch.front()->model;
  const absl::Time now = options_.now();
  for (CallPtr& call : batch) {
    call->LeaveQueue();
    if (call->cancelled() || call->request.deadline < now) model->metrics->DeadImageRan();
  }
  DeviceRun run = Forward(*model, batch, bucket);
  if (absl::IsResourceExhausted(run.output.status()) && bucket > 1) {
    RunInHalves(*model, absl::MakeSpan(batch), bucket, run.output.status());
    device_done(false);
    return answered(0);
  }
  device_done(run.output.ok());
  Deliver(*model, std::move(batch), std::move(run), std::move(answered));
}

void BatchRunner::RunInHalves(const ServedModel& model, absl::Span<CallPtr> batch, int bucket,
                              const absl::Status& why) {
  const int half = HalfOf(model.buckets, bucket);
  spdlog::warn("model {}: {}; batches are now at most {}", model.name, std::string(why.message()),
               half);
  executor_.LimitBatch(model.scheduled_as, half);
  for (; !batch.empty(); batch.remove_prefix(std::min<size_t>(half, batch.size()))) {
    const absl::Span<CallPtr> part = batch.subspan(0, half);
    DeviceRun run = Forward(model, part, half);
    if (absl::IsResourceExhausted(run.output.status()) && half > 1) {
      RunInHalves(model, part, half, run.output.status());
    } else {
      Deliver(model, {std::move_iterator(part.begin()), std::move_iterator(part.end())},
              std::move(run), [](int) {});
    }
  }
}

DeviceRun BatchRunner::Forward(const ServedModel& model, absl::Span<const CallPtr> calls,
                               int bucket) {
  std::vector<ModelInput> images;
  bool embeddings = false;
  for (const CallPtr& call : calls) {
    images.push_back(call->input.view());
    embeddings |= call->request.embedding;
  }
  const absl::Time started = SteadyNow();
  absl::StatusOr<BatchOutput> output = model.forward(images, bucket, embeddings);
  const absl::Duration run = SteadyNow() - started;
  metrics_.Busy(run);
  return {started, run, std::move(output)};
}

void BatchRunner::Deliver(const ServedModel& model, std::vector<CallPtr> calls, DeviceRun run,
                          Executor<CallPtr>::Answered answered) {
  if (!run.output.ok()) {
    Fail(model, calls, run.output.status());
    return answered(0);
  }
  const auto batch = std::make_shared<FinishedBatch>(std::move(calls), std::move(run), options_.now,
                                                     std::move(answered));
  const int size = batch->size();
  if (options_.answer_threads == 0 || size <= kAnsweredTogether) return batch->Answer(0, size);
  for (int first = 0; first < size; first += kAnsweredTogether) {
    const int end = std::min(first + kAnsweredTogether, size);
    // It stops after the runners.
    static_cast<void>(answer_pool_.TryRun([batch, first, end] { batch->Answer(first, end); }));
  }
}

void BatchRunner::Fail(const ServedModel& model, absl::Span<const CallPtr> calls,
                       const absl::Status& why) {
  spdlog::error("model {}: a batch of {} failed: {}", model.name, calls.size(),
                std::string(why.message()));
  if (absl::IsUnavailable(why) && !device_lost_.exchange(true)) options_.device_lost(why);
  for (const CallPtr& call : calls) call->Finish(why);
}

}  // namespace patchserve
