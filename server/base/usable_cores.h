// How many cores this process has.
#pragma once

#include <optional>

#include "absl/strings/string_view.h"

namespace patchserve {

// Those of its affinity mask, or less if its cgroup's quota allows less, as a container's
// limit does (cgroup v2: cpu.max; v1: cpu.cfs_quota_us).
double UsableCores();

// The quota that a cpu.max file ("150000 100000", "max 100000") gives, in cores; nullopt
// if none, or the file is none. With v1's two files in this form: -1 is none.
std::optional<double> CgroupQuota(absl::string_view cpu_max);

}  // namespace patchserve
