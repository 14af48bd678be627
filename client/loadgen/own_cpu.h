// How busy this process is, and when that makes it the limit of what it measures.
#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace patchserve {

// CPU time of this process so far, in user and system mode.
absl::Duration OwnCpuTime();

// How many cores this process may use: those of its affinity mask, or less if its
// cgroup's quota (/sys/fs/cgroup/cpu.max) allows less.
double UsableCores();

// The quota that a cpu.max file ("150000 100000", "max 100000") gives, in cores; nullopt
// if none, or the file is none.
std::optional<double> CgroupQuota(absl::string_view cpu_max);

// Why figures say more of the load generator than of the server; empty if they don't:
// it used 90 % or more of its cores, or in an open loop (`late_p99` set) one in a hundred
// requests left more than 10 ms late.
std::string OwnLimit(double cores_used, double usable_cores,
                     std::optional<absl::Duration> late_p99);

}  // namespace patchserve
