#include "server/base/memory.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"

namespace patchserve {
namespace {

// The tightest of the limits of the folder's groups, `group` and those above it, which hold too. In
// a container the own group is the top one.
std::optional<int64_t> Tightest(const std::string& folder, std::string group, const char* file) {
  std::optional<int64_t> least;
  while (true) {
    std::string line;
    std::getline(std::ifstream(folder + group + "/" + file), line);
    if (const auto limit = CgroupMemory(line)) least = std::min(*limit, least.value_or(*limit));
    if (group.empty()) return least;
    group.resize(group.rfind('/'));
  }
}

std::optional<int64_t> OwnCgroupsMemory() {
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const size_t controllers = line.find(':') + 1, path = line.find(':', controllers) + 1;
    std::string group = line.substr(path);
    if (group.empty() || group.front() != '/') continue;
    if (group.back() == '/') group.pop_back();
    std::optional<int64_t> limit;
    if (line.compare(controllers, path - controllers, "memory:") == 0) {
      limit = Tightest("/sys/fs/cgroup/memory", group, "memory.limit_in_bytes");
    } else if (path == controllers + 1) {
      limit = Tightest("/sys/fs/cgroup", group, "memory.max");
    }
    if (limit) return limit;
  }
  return std::nullopt;
}

}  // namespace

int64_t MemoryLimit() {
  const int64_t machine = int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE);
  return std::min(machine, OwnCgroupsMemory().value_or(machine));
}

std::optional<int64_t> CgroupMemory(absl::string_view limit) {
  int64_t bytes = 0;
  if (!absl::SimpleAtoi(absl::StripAsciiWhitespace(limit), &bytes) || bytes <= 0) {
    return std::nullopt;
  }
  return bytes;
}

ResidentMemory ReadResidentMemory() {
  ResidentMemory memory;
  std::ifstream status("/proc/self/status");
  for (std::string name; status >> name;) {
    int64_t kilobytes = 0;
    if (name == "VmRSS:" && status >> kilobytes) memory.now = kilobytes * 1024;
    if (name == "VmHWM:" && status >> kilobytes) memory.peak = kilobytes * 1024;
  }
  return memory;
}

void ResetPeakResident() { std::ofstream("/proc/self/clear_refs") << "5"; }

}  // namespace patchserve
