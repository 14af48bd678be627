#include "server/base/free_memory.h"

#include <malloc.h>

namespace patchserve {
namespace {

// Less is used again soon, and to fetch it anew costs time.
constexpr size_t kLot = 256 << 20;

}  // namespace

void GiveBackFreeMemory() {
  if (mallinfo2().fordblks > kLot) malloc_trim(0);
}

}  // namespace patchserve
