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

// Cuts blocks from slabs, each into blocks of one size. A block that goes back is kept for the next
// request of its size. Before a slab is added that makes them more than may be kept, those go of
// which no block is in use. So the slabs take no more than that, or than those with a block in use
// do. Thread-safe; its blocks may outlive it.
class BlockPool {
 public:
  static constexpr size_t kSlabBytes = 8 << 20;  // a slab of larger blocks has one
  static constexpr size_t kAlignment = 256;      // of blocks, if the slabs have it

  // `slab` gives a slab. It is called under the pool's lock. `keep`: bytes of slabs, counted as
  // powers of two, since LibTorch pins no other sizes: a block of 5 MiB takes 8.
  BlockPool(size_t keep, Allocate slab);

  // As Allocate.
  std::shared_ptr<void> Take(size_t bytes) const;

 private:
  struct Slab {
    const std::shared_ptr<void> memory;
    const size_t bytes;  // as it counts
    const size_t blocks;
    std::vector<void*> unused;
  };
  using Slabs = std::vector<std::shared_ptr<Slab>>;

  struct Blocks {
    std::shared_ptr<Slab> NewSlab(size_t size, Slabs& given_up)
        ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
    void GiveUpUnused(Slabs& given_up) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

    const size_t keep;
    const Allocate slab;
    Mutex mutex;
    size_t bytes ABSL_GUARDED_BY(mutex) = 0;               // of all slabs
    std::map<size_t, Slabs> slabs ABSL_GUARDED_BY(mutex);  // by the size of their blocks
  };

  const std::shared_ptr<Blocks> blocks_;
};

}  // namespace patchserve
