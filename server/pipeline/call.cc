#include "server/pipeline/call.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/time/clock.h"
#include "server/base/steady_clock.h"

namespace patchserve {

Call::Call(ClassifyRequest request, Metrics& metrics, AnswerCallback done)
    : request(std::move(request)), metrics_(metrics), done_(std::move(done)) {
  metrics_.InFlightChanged(+1);
}

Call::~Call() {
  if (done_) Finish(absl::InternalError("the request was dropped by the server"));
}

void Call::Finish(absl::StatusOr<Answer> answer) {
  LeaveQueue();
  for (Cancellation* cancellation : {request.cancellation, request.given_up}) {
    if (cancellation != nullptr && ticket >= 0) cancellation->Remove(ticket);
  }
  for (Hold* hold : {&bytes, &undecoded, &decode_work, &place}) hold->Release();
  // The requester may go on once it has its answer: its figures come first.
  const absl::Time respond = SteadyNow();
  const absl::StatusCode code = answer.status().code();
  if (answer.ok()) answer->in_time = respond <= request.deadline;
  if (figures == nullptr) {
    metrics_.UnknownModelAnswered(code);
  } else if (request.pinned == nullptr) {
    const auto answers =
        answer.ok() ? absl::MakeConstSpan(&*answer, 1) : absl::Span<const Answer>();
    CountRequest(*figures, answer.status(), answers, request.arrival, respond);
  }
  metrics_.InFlightChanged(-1);
  std::exchange(done_, nullptr)(std::move(answer));
  if (code == absl::StatusCode::kOk) figures->StageTook(Stage::kRespond, SteadyNow() - respond);
}

void Call::EnterQueue() {
  in_queue_ = true;
  model->metrics->QueueDepthChanged(+1);
}

void Call::LeaveQueue() {
  if (!std::exchange(in_queue_, false)) return;
  model->metrics->QueueDepthChanged(-1);
}

void CountRequest(ModelMetrics& figures, const absl::Status& status,
                  absl::Span<const Answer> answers, absl::Time arrival, absl::Time now) {
  RequestTimes times{.total = now - arrival};
  figures.RequestAnswered(status.code(), times.total);
  if (!status.ok()) return figures.statistics().Failed(status.code(), times.total);
  bool in_time = true;
  // The slowest image's times add up to no more than the request's.
  absl::Duration slowest;
  for (const Answer& answer : answers) {
    in_time &= answer.in_time;
    if (!answer.embedding.empty()) figures.AnsweredWithEmbedding();
    const absl::Duration took = answer.queue + answer.decode + answer.run + answer.output;
    if (took < slowest) continue;
    slowest = took;
    times.queue = answer.queue;
    times.input = answer.decode;
    times.infer = answer.run;
    times.output = answer.output;
  }
  for (size_t i = 0; in_time && i < answers.size(); ++i) figures.AnsweredInTime();
  // Triton's statistics show the date.
  figures.statistics().Succeeded(static_cast<int>(answers.size()), times, absl::Now());
}

}  // namespace patchserve
