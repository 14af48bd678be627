// Which sizes of a batch pay, by what batches take.
#pragma once

#include <algorithm>

#include "absl/time/time.h"
#include "server/scheduling/cost_model.h"

namespace patchserve {

// A larger batch must save this share of the time an image; while time is scarce, this.
inline constexpr double kWorthwhile = 0.05;
inline constexpr double kScarceWorthwhile = 0.002;
// So little more time is none.
inline constexpr double kNearlySame = 0.005;

inline double TimeEach(const CostModel& cost, int size) {
  return absl::ToDoubleSeconds(cost.Expected(size)) / size;
}

inline bool NearlySame(const CostModel& cost, int size, int larger) {
  return cost.Expected(larger) <= cost.Expected(size) * (1 + kNearlySame);
}

// A batch with as many more, up to `most`, as come for nearly nothing.
inline int ForNothing(const CostModel& cost, int size, int most) {
  while (size < most && NearlySame(cost, size, size + 1)) ++size;
  return size;
}

// The smallest batch whose time an image is near the best of those up to `most`, and as
// many more as come for nearly nothing.
inline int Worthwhile(const CostModel& cost, int most, double near) {
  double best = 1e300;
  for (int size = 1; size <= most; ++size) best = std::min(best, TimeEach(cost, size));
  int size = 1;
  while (TimeEach(cost, size) > best * (1 + near)) ++size;
  return ForNothing(cost, size, most);
}

}  // namespace patchserve
