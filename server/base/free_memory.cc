#include "server/base/free_memory.h"

#include <malloc.h>

#include <algorithm>

#include "server/base/usable_cores.h"

namespace patchserve {
namespace {

constexpr int64_t kMegabyte = 1 << 20;
// Less is used again soon, and to fetch it anew costs time.
constexpr size_t kLot = 256 * kMegabyte;

}  // namespace

void SetUpMalloc(int64_t memory_limit) {
  mallopt(M_MMAP_THRESHOLD, 32 * kMegabyte);  // larger ones are mapped, and given back
  mallopt(M_TRIM_THRESHOLD, 64 * kMegabyte);  // so much of each arena is kept
  // A thread stays with its arena: the fewer megabytes there are, the fewer arenas. glibc's own
  // limit is eight a core.
  const int64_t own_limit = std::max<int64_t>(8 * static_cast<int64_t>(UsableCores()), 2);
  mallopt(M_ARENA_MAX, std::clamp<int64_t>(memory_limit / (512 * kMegabyte), 2, own_limit));
}

void GiveBackFreeMemory() {
  if (mallinfo2().fordblks > kLot) malloc_trim(0);
}

}  // namespace patchserve
