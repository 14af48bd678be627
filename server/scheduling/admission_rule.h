// Whether a request is taken in: the decision alone, in numbers.
//
// What can't be answered in time is refused before it costs anything, and so is what
// would make others late who were taken in before. So a server that gets ten times what
// it can do works as well as one that gets just enough (and its queue holds as much work
// as the deadlines allow, not as much as comes).
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

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

// An item that is still to be decoded asks for a place.
struct Asking {
  int model = 0;
  Criticality criticality = Criticality::kDefault;
  absl::Time deadline;
  // Before it is decoded, and its own decoding.
  absl::Duration decode_wait = absl::ZeroDuration(), decode = absl::ZeroDuration();
  bool retried = false;  // it was refused before, and then counted among those who come
};

// What a newcomer would find.
struct Load {
  int places = 0;      // taken, of its model
  int max_places = 0;  // that there are
  bool idle = false;   // nothing waits and nothing runs
  // Before it could run if nothing waited: the rest of the batches under way.
  absl::Duration running = absl::ZeroDuration();
  absl::Duration ahead = absl::ZeroDuration();      // batches before its own, of all models
  absl::Duration run = absl::ZeroDuration();        // of the batch that it would join
  absl::Duration least = absl::ZeroDuration();      // that a run ever took
  absl::Duration deviation = absl::ZeroDuration();  // the standard one, of all that together
  double margin = 0;    // nearly always all that takes at most so many deviations longer
  double overload = 1;  // so many times what can be done comes
};

struct Admission {
  // kHarmful: others, taken in before, would be late.
  enum class Answer { kAdmitted, kNoPlace, kLate, kHarmful };
  Answer answer = Answer::kAdmitted;
  absl::Duration wait = absl::ZeroDuration();  // that was predicted
  // When another try is welcome. Of those who are refused only some can be served later: the
  // more come, the later they should come again, or they are all that the device is busy with.
  absl::Duration retry_after = absl::ZeroDuration();
  // So many deviations longer it may take than predicted. Infinite: it is taken in anyhow.
  double slack = std::numeric_limits<double>::infinity();
};

// `budget`: from now to the deadline; `decode_wait`, `decode`: before the item is decoded,
// and its own decoding, which go on while others run. Whether it would harm others is
// asked by itself: it takes longer to find out.
inline Admission Admit(const Load& load, Criticality criticality, absl::Duration budget,
                       absl::Duration decode_wait, absl::Duration decode) {
  // For the batches under way it must wait in any case, and meanwhile it is decoded.
  const absl::Duration must_wait = std::max(load.running, decode_wait + decode);
  const absl::Duration ahead =
      std::max(load.running + load.ahead - must_wait, absl::ZeroDuration());
  const absl::Duration spare = budget - must_wait - load.run - load.margin * load.deviation;
  const absl::Duration wait = must_wait + ahead;
  const auto answer = [&](Admission::Answer what) {
    return Admission{what, wait, load.overload * std::max(wait, load.run)};
  };
  using Answer = Admission::Answer;
  const double room = RoomFor(criticality);
  if (load.places >= std::ceil(room * load.max_places)) return answer(Answer::kNoPlace);
  if (budget < load.least) return answer(Answer::kLate);
  // An idle device serves whoever may be in time, whatever was predicted: so a prediction
  // that is wrong is put right.
  if (load.idle) return answer(Answer::kAdmitted);
  // Of the time that it may wait for others each level has its part.
  if (spare < absl::ZeroDuration() || ahead > room * spare) return answer(Answer::kLate);
  Admission admitted = answer(Answer::kAdmitted);
  if (load.deviation > absl::ZeroDuration()) {
    admitted.slack = load.margin + absl::FDivDuration(spare - ahead, load.deviation);
  }
  return admitted;
}

}  // namespace patchserve
