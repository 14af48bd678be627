// How much a request matters beside others, and what that is worth under pressure.
#pragma once

namespace patchserve {

enum class Criticality { kSheddable, kDefault, kCritical };

// The part of every queue and budget that requests of this level may fill, and the part of the
// time until their deadline that they may wait for other batches. The rest is kept for the levels
// above: under pressure the lowest level is refused first.
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

}  // namespace patchserve
