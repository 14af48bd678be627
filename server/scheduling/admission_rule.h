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

// What a newcomer would find.
struct Load {
  int places = 0;      // taken, of its model
  int max_places = 0;  // that there are
  bool idle = false;   // nothing waits and nothing runs
  // Before it could run if nothing waited: the rest of the batches under way.
  absl::Duration running = absl::ZeroDuration();
  absl::Duration ahead = absl::ZeroDuration();  // batches before its own, of all models
  absl::Duration run = absl::ZeroDuration();    // of the batch that it would join
  absl::Duration least = absl::ZeroDuration();  // that a run ever took
  double slip = 1;  // `ahead` nearly always takes at most so many times as long
};

struct Admission {
  // kHarmful: others, taken in before, would be late.
  enum class Answer { kAdmitted, kNoPlace, kLate, kHarmful };
  Answer answer = Answer::kAdmitted;
  // What was predicted: `ahead` of the wait is for others that wait, for whom it has `spare`.
  absl::Duration wait = absl::ZeroDuration();
  absl::Duration ahead = absl::ZeroDuration();
  absl::Duration spare = absl::ZeroDuration();
};

// `budget`: from now to the deadline; `decode_wait`, `decode`: before the item is decoded,
// and its own decoding, which goes on while others run. Whether it would harm others is
// asked by itself: it takes longer to find out.
inline Admission Admit(const Load& load, Criticality criticality, absl::Duration budget,
                       absl::Duration decode_wait, absl::Duration decode) {
  // For the batches under way it must wait in any case, and while others run it is decoded.
  const absl::Duration must_wait = std::max(load.running, decode_wait);
  const absl::Duration ahead =
      std::max(load.running + load.ahead - must_wait, absl::ZeroDuration());
  const absl::Duration spare = budget - must_wait - decode - load.run;
  const auto answer = [&](Admission::Answer what) {
    return Admission{what, must_wait + ahead, ahead, spare};
  };
  using Answer = Admission::Answer;
  const double room = RoomFor(criticality);
  if (load.places >= std::ceil(room * load.max_places)) return answer(Answer::kNoPlace);
  if (budget < load.least) return answer(Answer::kLate);
  // An idle device serves whoever may be in time, whatever was predicted: so a prediction
  // that is wrong is put right.
  if (load.idle) return answer(Answer::kAdmitted);
  // Of the time that it may wait for others each level has its part.
  if (spare < absl::ZeroDuration() || load.slip * ahead > room * spare) {
    return answer(Answer::kLate);
  }
  return answer(Answer::kAdmitted);
}

}  // namespace patchserve
