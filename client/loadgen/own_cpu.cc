#include "client/loadgen/own_cpu.h"

#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <fstream>
#include <thread>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"

namespace patchserve {

absl::Duration OwnCpuTime() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return absl::DurationFromTimeval(usage.ru_utime) + absl::DurationFromTimeval(usage.ru_stime);
}

double UsableCores() {
  cpu_set_t allowed;
  double cores = std::thread::hardware_concurrency();
  if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0) cores = CPU_COUNT(&allowed);
  std::string cpu_max;
  std::getline(std::ifstream("/sys/fs/cgroup/cpu.max") >> std::ws, cpu_max);
  return std::min(cores, CgroupQuota(cpu_max).value_or(cores));
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

std::string OwnLimit(double cores_used, double usable_cores,
                     std::optional<absl::Duration> late_p99) {
  constexpr double kBusy = 0.9;
  constexpr absl::Duration kLate = absl::Milliseconds(10);
  if (cores_used >= kBusy * usable_cores) {
    return absl::StrFormat("loadgen used %.2f of its %.2f cores", cores_used, usable_cores);
  }
  if (late_p99 && *late_p99 > kLate) {
    return absl::StrFormat(
        "loadgen sent late: p99 %.1f ms after the intended time; it needs cores "
        "of its own",
        absl::ToDoubleMilliseconds(*late_p99));
  }
  return "";
}

}  // namespace patchserve
