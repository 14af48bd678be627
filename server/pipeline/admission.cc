#include "server/pipeline/admission.h"

#include <algorithm>
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/base/retry_after.h"
#include "server/pipeline/model_input.h"

namespace patchserve {
namespace {

// What is needed is rounded up and what there is down, so that the numbers add up.
std::string Needed(absl::Duration time) {
  return absl::FormatDuration(absl::Ceil(time, absl::Microseconds(100)));
}
std::string Left(absl::Duration time) {
  return absl::FormatDuration(absl::Floor(time, absl::Microseconds(100)));
}

constexpr absl::Duration kShortestPause = absl::Milliseconds(10);

absl::Status Refuse(const Call& call, ShedReason reason, absl::Duration pause, absl::Time now,
                    absl::string_view why) {
  call.figures->Shed(reason, call.request.criticality);
  pause = std::max(pause, kShortestPause);
  // What would come too late anyway is better not repeated.
  const bool in_time = now + pause < call.request.deadline;
  return WithRetryAfter(absl::ResourceExhaustedError(why),
                        in_time ? pause : absl::InfiniteDuration());
}

}  // namespace

AdmissionControl::AdmissionControl(const Options& options, Executor<CallPtr>& executor)
    : decode_threads_(options.decode_threads),
      bytes_(options.budgets.images),
      decoding_(options.budgets.decoding),
      decode_work_(std::numeric_limits<int64_t>::max()),
      executor_(executor) {}

void AdmissionControl::SetBudgets(const Budgets& budgets) {
  bytes_.SetLimit(budgets.images);
  decoding_.SetLimit(budgets.decoding);
}

absl::Status AdmissionControl::Admit(Call& call, absl::Time now) {
  const int64_t decoding = call.image.decoding_bytes();
  if (decoding > decoding_.limit()) {
    return absl::InvalidArgumentError(
        absl::StrCat("decoding an image of this format and of ", call.image.width, "x",
                     call.image.height, " pixels takes ", decoding, " bytes, more than the ",
                     decoding_.limit(), " that this server has for it"));
  }
  const absl::Duration decode = decode_cost_.Expected(call.image);
  const Admission admission = executor_.Admit({.model = call.model->scheduled_as,
                                               .criticality = call.request.criticality,
                                               .deadline = call.request.deadline,
                                               .decode_wait = DecodeWait(),
                                               .decode = decode,
                                               .retried = call.request.retried});
  call.ticket = admission.ticket;
  if (call.ticket >= 0) {
    call.place = Hold([this, ticket = call.ticket] { executor_.Cancel(ticket); });
  }
  absl::Status decision = Decide(call, admission, now);
  // A retry that is refused was counted when it came first. What no idle server could do counts
  // too: under load costs rise, and with them what seems so.
  if (decision.ok() || !call.request.retried) {
    call.figures->Demanded(decode / decode_threads_, admission.work);
  }
  if (!decision.ok()) return decision;
  for (Cancellation* cancellation : {call.request.cancellation, call.request.given_up}) {
    if (cancellation != nullptr) cancellation->Add(call.ticket);
  }
  call.decode_work = decode_work_.Take(absl::ToInt64Nanoseconds(decode));
  return absl::OkStatus();
}

absl::Status AdmissionControl::Decide(Call& call, const Admission& admission, absl::Time now) {
  const ServedModel& model = *call.model;
  if (admission.answer == Admission::Answer::kHopeless) {
    call.figures->Shed(ShedReason::kExpired, call.request.criticality);
    return absl::DeadlineExceededError(absl::StrCat(
        "on an idle server, too, ", Needed(admission.wait), " for decoding, ",
        Needed(admission.run), " to run alone and ", Needed(admission.margin),
        " to spare are more than the ", Left(call.request.deadline - now), " until the deadline"));
  }
  const double room = RoomFor(call.request.criticality);
  call.bytes = bytes_.Take(BytesInFlight(call.request, model.description.preprocessing), room);
  if (!call.bytes) {
    return Refuse(call, ShedReason::kBytes, admission.retry_after, now,
                  absl::StrCat("the images in flight hold ", bytes_.used(), " bytes of ",
                               bytes_.limit(), " allowed"));
  }
  call.undecoded = decoding_.Take(call.image.decoding_bytes(), room);
  if (!call.undecoded) {
    return Refuse(call, ShedReason::kDecoding, admission.retry_after, now,
                  absl::StrCat("decoding the images in flight takes ", decoding_.used(),
                               " bytes of ", decoding_.limit(), " allowed"));
  }
  switch (admission.answer) {
    case Admission::Answer::kHopeless:  // see above
    case Admission::Answer::kAdmitted:
      break;
    case Admission::Answer::kNoPlace:
      return Refuse(call, ShedReason::kQueueFull, admission.retry_after, now,
                    absl::StrCat("model ", model.name, " has as many requests waiting as it may (",
                                 model.max_queue, ", the last ones for the more critical)"));
    case Admission::Answer::kLate:
      return Refuse(call, ShedReason::kLate, admission.retry_after, now,
                    absl::StrCat("too much waits before this request: ", Needed(admission.wait),
                                 " until it runs, ", Needed(admission.run), " for its batch and ",
                                 Needed(admission.margin), " to spare are more than the ",
                                 Left(call.request.deadline - now), " until its deadline"));
    case Admission::Answer::kHarmful:
      return Refuse(call, ShedReason::kLate, admission.retry_after, now,
                    "this request would make others late that were admitted before");
  }
  return absl::OkStatus();
}

absl::Duration AdmissionControl::PredictedWait(const ServedModel& model) {
  return std::max(executor_.PredictedWait(model.scheduled_as), DecodeWait());
}

absl::Duration AdmissionControl::DecodeWait() const {
  return absl::Nanoseconds(decode_work_.used()) / decode_threads_;
}

}  // namespace patchserve
