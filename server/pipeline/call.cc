#include "server/pipeline/call.h"

#include <utility>

#include "absl/time/clock.h"

namespace patchserve {

Call::Call(ClassifyRequest request, Metrics& metrics, AnswerCallback done)
    : request(request), metrics_(metrics), done_(std::move(done)) {
  metrics_.InFlightChanged(+1);
}

Call::~Call() {
  if (done_) Finish(absl::InternalError("the request was dropped by the server"));
}

void Call::Finish(absl::StatusOr<Answer> answer) {
  LeaveQueue();
  for (Hold* hold : {&bytes, &undecoded, &decode_work, &place}) hold->Release();
  // The requester may go on once it has its answer: its figures come first.
  const absl::Time respond = absl::Now();
  const absl::StatusCode code = answer.status().code();
  if (answer.ok()) answer->in_time = respond <= request.deadline;
  if (figures == nullptr) {
    metrics_.UnknownModelAnswered(code);
  } else if (request.pinned == nullptr) {
    CountAsOne(answer, respond);
  }
  metrics_.InFlightChanged(-1);
  std::exchange(done_, nullptr)(std::move(answer));
  if (code == absl::StatusCode::kOk) figures->StageTook(Stage::kRespond, absl::Now() - respond);
}

void Call::CountAsOne(const absl::StatusOr<Answer>& answer, absl::Time respond) {
  const absl::Duration total = respond - request.arrival;
  figures->RequestAnswered(answer.status().code(), total);
  if (answer.ok()) {
    if (answer->in_time) figures->AnsweredInTime();
    const RequestTimes times{total, answer->queue, answer->decode, answer->run, answer->output};
    figures->statistics().Succeeded(/*images=*/1, times, respond);
  } else {
    figures->statistics().Failed(answer.status().code(), total);
  }
}

void Call::EnterQueue() {
  in_queue_ = true;
  model->metrics->QueueDepthChanged(+1);
}

void Call::LeaveQueue() {
  if (!std::exchange(in_queue_, false)) return;
  model->metrics->QueueDepthChanged(-1);
}

}  // namespace patchserve
