// The clock of the server: what the system's date does changes nothing.
#pragma once

#include <chrono>

#include "absl/time/time.h"

namespace patchserve {

// Time since the machine started, as an absl::Time. All times inside the server are of this clock;
// deadlines of callers are turned into it when they come (rpc/caller.h).
inline absl::Time SteadyNow() {
  return absl::UnixEpoch() + absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

}  // namespace patchserve
