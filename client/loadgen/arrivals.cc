#include "client/loadgen/arrivals.h"

#include <cmath>

namespace patchserve {

absl::Duration Arrivals::Next() {
  // Not std::exponential_distribution, whose numbers differ between libraries.
  const double uniform = static_cast<double>(random_() >> 11) * 0x1p-53;  // [0, 1)
  gaps_ += spacing_ == Spacing::kConstant ? 1 : -std::log1p(-uniform);
  return absl::Seconds(gaps_ / rate_);
}

}  // namespace patchserve
