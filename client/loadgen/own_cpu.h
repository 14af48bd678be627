// How busy this process is, and when that makes it the limit of what it measures.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/time/time.h"

namespace patchserve {

// CPU time of this process so far, in user and system mode.
absl::Duration OwnCpuTime();

// How long each thread of this process has so far been ready to run without a core, by the
// thread's id. Empty where the system doesn't tell (Linux does).
using CoreWaits = std::map<int, absl::Duration>;
CoreWaits OwnCoreWaits();

// What a file /proc/PID/task/TID/schedstat says of that; nullopt if it is none.
std::optional<absl::Duration> CoreWait(const std::string& schedstat);

// The sum over the threads that are there at the end; nullopt if `after` is empty.
std::optional<absl::Duration> WaitedBetween(const CoreWaits& before, const CoreWaits& after);

struct OwnUse {
  double cores_used = 0;
  double usable_cores = 0;
  // Cores that its threads were ready to use on average, and didn't get.
  std::optional<double> cores_waited;
  // In an open loop: how late one in a hundred requests left.
  std::optional<absl::Duration> late_p99;
  // Requests that were due and weren't sent.
  int64_t not_sent = 0;
};

// Why figures say more of the load generator than of the server; empty if they don't.
std::string OwnLimit(const OwnUse& use);

}  // namespace patchserve
