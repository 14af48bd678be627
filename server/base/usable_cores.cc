#include "server/base/usable_cores.h"

#include <sched.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace patchserve {
namespace {

// Empty if there is no such file.
std::string FirstLine(const char* path) {
  std::string line;
  std::getline(std::ifstream(path) >> std::ws, line);
  return line;
}

// In the form of v2's cpu.max.
std::string OwnQuota() {
  std::string v2 = FirstLine("/sys/fs/cgroup/cpu.max");
  if (!v2.empty()) return v2;
  return absl::StrCat(FirstLine("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"), " ",
                      FirstLine("/sys/fs/cgroup/cpu/cpu.cfs_period_us"));
}

}  // namespace

double UsableCores() {
  cpu_set_t allowed;
  double cores = std::max(1u, std::thread::hardware_concurrency());
  if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0) cores = CPU_COUNT(&allowed);
  return std::min(cores, CgroupQuota(OwnQuota()).value_or(cores));
}

std::optional<double> CgroupQuota(absl::string_view cpu_max) {
  const std::vector<absl::string_view> fields =
      absl::StrSplit(absl::StripAsciiWhitespace(cpu_max), ' ');
  double quota = 0, period = 0;
  if (fields.size() != 2 || !absl::SimpleAtod(fields[0], &quota) ||
      !absl::SimpleAtod(fields[1], &period) || quota <= 0 || period <= 0) {
    return std::nullopt;
  }
  return quota / period;
}

}  // namespace patchserve
