#include "server/pipeline/finished_batch.h"

#include <algorithm>
#include <utility>

#include "server/base/steady_clock.h"
#include "server/pipeline/answer.h"

namespace patchserve {

FinishedBatch::FinishedBatch(std::vector<CallPtr> calls, DeviceRun run,
                             std::function<absl::Time()> now,
                             std::function<void(int late)> answered)
    : calls_(std::move(calls)),
      model_(calls_.front()->model),
      run_(std::move(run)),
      now_(std::move(now)),
      answered_(std::move(answered)),
      unready_(size()),
      unanswered_(size()) {
  model_->metrics->BatchRan(size());
  for (const CallPtr& call : calls_) longest_decode_ = std::max(longest_decode_, call->decode);
}

void FinishedBatch::Answer(int first, int end) {
  for (int row = first; row < end; ++row) {
    Call& call = *calls_[row];
    absl::StatusOr<patchserve::Answer> answer = AnswerOf(call, row);
    if (unready_.fetch_sub(1) == 1) {
      model_->metrics->statistics().BatchRan(size(), longest_decode_, run_.took,
                                             SteadyNow() - (run_.started + run_.took));
    }
    late_ += Late(call);
    call.Finish(std::move(answer));
    if (unanswered_.fetch_sub(1) == 1) answered_(late_);
  }
}

absl::StatusOr<patchserve::Answer> FinishedBatch::AnswerOf(Call& call, int row) const {
  auto answer = MakeAnswer(*model_, *run_.output, row,
                           {.top_k = call.top_k,
                            .embedding = call.request.embedding,
                            .logits = call.request.logits,
                            .normalize = call.request.normalize_embedding,
                            .any_values = call.image.format == ImageFormat::kTensor});
  if (!answer.ok()) return answer;
  answer->model = call.model;
  answer->image = call.image;
  answer->decode = call.decode;
  answer->queue = call.waited + (run_.started - call.decoded);
  answer->run = run_.took;
  answer->output = SteadyNow() - (run_.started + run_.took);
  answer->batch_size = size();
  model_->metrics->StageTook(Stage::kQueue, answer->queue);
  model_->metrics->StageTook(Stage::kRun, answer->run);
  return answer;
}

// A caller gives up at its own deadline, a little before this server's clock says so; one that gave
// up with time left says nothing of the forecast.
bool FinishedBatch::Late(const Call& call) const {
  const absl::Duration left = call.request.deadline - now_();
  return left < (call.cancelled() ? run_.took : absl::ZeroDuration());
}

}  // namespace patchserve
