#include "server/image/webp_memory.h"

#include <malloc.h>

#include <cstddef>
#include <cstdlib>
#include <limits>

namespace {

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max() / 2;
thread_local int64_t left = kNoLimit;
thread_local bool reached_limit = false;

bool Fits(uint64_t count, size_t size) {
  const bool fits = left >= 0 && (count == 0 || size <= static_cast<uint64_t>(left) / count);
  reached_limit |= !fits;
  return fits;
}

void* Taken(void* memory) {
  left -= static_cast<int64_t>(malloc_usable_size(memory));
  return memory;
}

}  // namespace

// libwebp's own functions (src/utils/utils.h), by which it allocates all: symbols of the program
// come before those of its libraries, so its calls arrive here.
extern "C" {

void* WebPSafeMalloc(uint64_t count, size_t size) {
  return Fits(count, size) ? Taken(std::malloc(count * size)) : nullptr;
}

void* WebPSafeCalloc(uint64_t count, size_t size) {
  return Fits(count, size) ? Taken(std::calloc(count, size)) : nullptr;
}

void WebPSafeFree(void* memory) {
  left += static_cast<int64_t>(malloc_usable_size(memory));
  std::free(memory);
}

}  // extern "C"

namespace patchserve {

WebPMemoryLimit::WebPMemoryLimit(int64_t bytes) {
  left = bytes;
  reached_limit = false;
}
WebPMemoryLimit::~WebPMemoryLimit() { left = kNoLimit; }

bool WebPMemoryLimit::reached() const { return reached_limit; }

}  // namespace patchserve
