#include "client/loadgen/own_cpu.h"

#include <sys/resource.h>

#include "absl/strings/str_format.h"

namespace patchserve {

absl::Duration OwnCpuTime() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return absl::DurationFromTimeval(usage.ru_utime) + absl::DurationFromTimeval(usage.ru_stime);
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
