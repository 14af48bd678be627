// Whether a request is taken in: the decision alone, in numbers.
//
// What can't be answered in time is refused before it costs anything, and so is what
// would make others late who were taken in before. So a server that gets ten times what
// it can do works as well as one that gets just enough (and its queue holds as much work
// as the deadlines allow, not as much as comes).
#pragma once

#include <algorithm>
#include <cmath>

#include "absl/time/time.h"

namespace patchserve {

enum class Criticality { kSheddable, kDefault, kCritical };

// What part of the waiting room a request of this level may fill: of the places, and of
// the time that its deadline lets it wait. The rest is kept for the levels above it, so
// that under pressure the lowest is refused first.
inline double RoomFor(Criticality criticality) {
  switch (criticality) {
    case Criticality::kSheddable:
      return 0.5;
    case Criticality::kDefault:
      return 0.9;
    case Criticality::kCritical:
      return 1;
  }
  return 1;
}

// What waits, as a newcomer would find it.
struct Load {
  int places = 0;                              // taken, of its model
  int max_places = 0;                          // that there are
  absl::Duration wait = absl::ZeroDuration();  // before it would run
  absl::Duration own = absl::ZeroDuration();   // its model's part of it, with itself; 0 if none
  absl::Duration run = absl::ZeroDuration();   // of the batch that it would run in
  double slip = 1;      // nearly all take at most so many times what was predicted
  int models = 1;       // that share the device, of late
  double crowding = 0;  // the part of the others' waiting time that its model's work fills
  bool makes_others_late = false;  // those that were taken in before
  bool idle = false;               // nothing waits and nothing runs
};

struct Admission {
  // kNoShare: other models need the time. kHarmful: others, taken in before, would be late.
  enum class Answer { kAdmitted, kNoPlace, kLate, kNoShare, kHarmful };
  Answer answer = Answer::kAdmitted;
  // What was predicted.
  absl::Duration wait = absl::ZeroDuration();
  absl::Duration until_answer = absl::ZeroDuration();
};

// `budget`: from now to the deadline; `decode_wait`, `decode`: before the item is decoded,
// and its own decoding, which goes on while others run.
inline Admission Admit(const Load& load, Criticality criticality, absl::Duration budget,
                       absl::Duration decode_wait, absl::Duration decode) {
  const double room = RoomFor(criticality);
  Admission admission{.wait = std::max(load.wait, decode_wait)};
  admission.until_answer = admission.wait + decode + load.run;
  if (load.places >= std::ceil(room * load.max_places)) {
    admission.answer = Admission::Answer::kNoPlace;
    return admission;
  }
  // An idle device serves who comes, whatever was predicted: so a prediction that is
  // wrong is put right.
  if (load.idle) return admission;
  const absl::Duration may_wait = (budget / load.slip - decode - load.run) * room;
  // Of the time that all models together may make others wait each has its part: a burst
  // of one leaves the others room, though retries with little time left go before them.
  if (admission.wait > may_wait) {
    admission.answer = Admission::Answer::kLate;
  } else if (load.own > may_wait / load.models || load.crowding > room / load.models) {
    admission.answer = Admission::Answer::kNoShare;
  } else if (load.makes_others_late && criticality != Criticality::kCritical) {
    admission.answer = Admission::Answer::kHarmful;
  }
  return admission;
}

}  // namespace patchserve
