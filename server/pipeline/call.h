// One accepted request on its way through the pipeline.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "server/image/image.h"
#include "server/metrics/metrics.h"
#include "server/pipeline/answer.h"
#include "server/pipeline/budget.h"
#include "server/pipeline/model_input.h"
#include "server/pipeline/request.h"

namespace patchserve {

// Owned by one place at a time (a decode task, a queue, a batch). Answers exactly
// once: by Finish, or else by its destructor.
class Call {
 public:
  Call(ClassifyRequest request, Metrics& metrics, AnswerCallback done);
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  // Whether nobody waits for the answer any more.
  bool cancelled() const { return Requested(request.cancellation) || Requested(request.given_up); }

  // Counts the request, then answers. The borrowed parts of `request` are gone
  // afterwards.
  void Finish(absl::StatusOr<Answer> answer);

  // The call waits from here on, for a decoding thread and for the device, until
  // LeaveQueue, at the latest when it is answered.
  void EnterQueue();
  void LeaveQueue();

  ClassifyRequest request;
  std::shared_ptr<const ServedModel> model;  // null until it is found
  ModelMetrics* figures = nullptr;           // of the model; null if there is none of the name
  int top_k = 5;
  ImageInfo image;
  OwnedInput input;       // once decoded
  absl::Duration decode;  // how long decoding took
  absl::Duration waited;  // for a decoding thread
  absl::Time decoded;     // when it was done: the wait for the device begins
  int64_t ticket = -1;    // its name at the device, once admitted
  // Its part of the budgets (admission.h): until it is answered, or decoded; and its place at the
  // device until it is pushed.
  Hold bytes;
  Hold undecoded, decode_work;
  Hold place;

 private:
  static bool Requested(const Cancellation* cancellation) {
    return cancellation != nullptr && cancellation->requested();
  }

  Metrics& metrics_;
  AnswerCallback done_;
  bool in_queue_ = false;
};

using CallPtr = std::unique_ptr<Call>;

// Counts a request that came at `arrival` and is answered now, in all figures of its model:
// one request, however many images it has. Its images are in time all or none: half an answer
// is of no use. `answers`: of all images where `status` is OK.
void CountRequest(ModelMetrics& figures, const absl::Status& status,
                  absl::Span<const Answer> answers, absl::Time arrival, absl::Time now);

}  // namespace patchserve
