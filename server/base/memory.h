// How much memory this process has, and how much it takes.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"

namespace patchserve {

// Bytes. Its cgroup's limit, as a container has one (v2: memory.max; v1: memory.limit_in_bytes), or
// the machine's memory if that is less.
int64_t MemoryLimit();

// The limit that such a file gives ("2147483648", "max"); nullopt if none, or the file is none.
std::optional<int64_t> CgroupMemory(absl::string_view limit);

// Bytes that are in memory: now, and the most since ResetPeakResident.
struct ResidentMemory {
  int64_t now = 0;
  int64_t peak = 0;
};
ResidentMemory ReadResidentMemory();
// Where the kernel doesn't let it, the peak stays the process's since its start.
void ResetPeakResident();

}  // namespace patchserve
