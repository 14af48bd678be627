// How busy this process is, and when that makes it the limit of what it measures.
#pragma once

#include <optional>
#include <string>

#include "absl/time/time.h"

namespace patchserve {

// CPU time of this process so far, in user and system mode.
absl::Duration OwnCpuTime();

// Why figures say more of the load generator than of the server; empty if they don't:
// it used 90 % or more of its cores, or in an open loop (`late_p99` set) one in a hundred
// requests left more than 10 ms late.
std::string OwnLimit(double cores_used, double usable_cores,
                     std::optional<absl::Duration> late_p99);

}  // namespace patchserve
