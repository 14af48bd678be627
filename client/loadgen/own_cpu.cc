#include "client/loadgen/own_cpu.h"

#include <sys/resource.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include "absl/strings/str_format.h"

namespace patchserve {

absl::Duration OwnCpuTime() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return absl::DurationFromTimeval(usage.ru_utime) + absl::DurationFromTimeval(usage.ru_stime);
}

CoreWaits OwnCoreWaits() {
  CoreWaits waits;
  std::error_code error;
  std::filesystem::directory_iterator tasks("/proc/self/task", error), end;
  for (; !error && tasks != end; tasks.increment(error)) {
    std::ifstream file(tasks->path() / "schedstat");
    std::string text;
    if (!std::getline(file, text)) continue;  // the thread has ended
    if (const auto wait = CoreWait(text)) {
      waits[std::atoi(tasks->path().filename().c_str())] = *wait;
    }
  }
  return waits;
}

std::optional<absl::Duration> CoreWait(const std::string& schedstat) {
  int64_t ran = 0, waited = 0;  // nanoseconds
  if (!(std::istringstream(schedstat) >> ran >> waited)) return std::nullopt;
  return absl::Nanoseconds(waited);
}

std::optional<absl::Duration> WaitedBetween(const CoreWaits& before, const CoreWaits& after) {
  if (after.empty()) return std::nullopt;
  absl::Duration waited;
  for (const auto& [thread, wait] : after) {
    const auto found = before.find(thread);
    waited += found == before.end() ? wait : wait - found->second;
  }
  return waited;
}

std::string OwnLimit(const OwnUse& use) {
  constexpr double kBusy = 0.9;
  constexpr absl::Duration kLate = absl::Milliseconds(10);
  // Measured on two cores: 0.5 to 1.8 times beside a server that uses all of both, which
  // does no harm, and 6.3 to 6.8 times on one core with six busy loops.
  constexpr double kStarved = 3;
  if (use.not_sent > 0) {
    return absl::StrFormat(
        "%d requests weren't sent, as too many were unanswered (--max_outstanding) or they were "
        "late",
        use.not_sent);
  }
  if (use.cores_used >= kBusy * use.usable_cores) {
    return absl::StrFormat("loadgen used %.2f of its %.2f cores", use.cores_used, use.usable_cores);
  }
  if (use.late_p99 && *use.late_p99 > kLate) {
    return absl::StrFormat(
        "loadgen sent late: p99 %.1f ms after the intended time; it needs cores "
        "of its own",
        absl::ToDoubleMilliseconds(*use.late_p99));
  }
  if (use.cores_waited && *use.cores_waited > kStarved * use.cores_used) {
    return absl::StrFormat(
        "loadgen waited for a core %.1f times as long as it had one; it needs cores of its own",
        *use.cores_waited / use.cores_used);
  }
  return "";
}

}  // namespace patchserve
