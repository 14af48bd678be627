// Blocks of memory that is slow to get, used again and again.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "server/base/mutex.h"

namespace patchserve {

// Memory of so many bytes, aligned for every type, until its last reference goes. Throws
// std::bad_alloc where there is none. Thread-safe.
using Allocate = std::function<std::shared_ptr<void>(size_t bytes)>;

// The heap's.
std::shared_ptr<void> AllocateOnHeap(size_t bytes);

// Cuts blocks from slabs. A block that goes back is kept for the next request of its size: so no
// more is kept than was in use at once, rounded up to slabs. Thread-safe; its blocks may outlive
// it.
class BlockPool {
 public:
  static constexpr size_t kSlabBytes = 8 << 20;  // a slab of larger blocks has one
  static constexpr size_t kAlignment = 256;      // of blocks, if the slabs have it

  // `slab` gives a slab. It is called under the pool's lock.
  explicit BlockPool(Allocate slab);

  // As Allocate.
  std::shared_ptr<void> Take(size_t bytes) const;

 private:
  struct Blocks {
    const Allocate slab;
    Mutex mutex;
    std::vector<std::shared_ptr<void>> slabs ABSL_GUARDED_BY(mutex);
    std::map<size_t, std::vector<void*>> unused ABSL_GUARDED_BY(mutex);  // by their size
  };

  const std::shared_ptr<Blocks> blocks_;
};

}  // namespace patchserve
