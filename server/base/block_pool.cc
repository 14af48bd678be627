#include "server/base/block_pool.h"

#include <algorithm>
#include <new>
#include <utility>

namespace patchserve {

std::shared_ptr<void> AllocateOnHeap(size_t bytes) {
  return {::operator new(bytes), [](void* memory) { ::operator delete(memory); }};
}

BlockPool::BlockPool(Allocate slab) : blocks_(new Blocks{.slab = std::move(slab)}) {}

std::shared_ptr<void> BlockPool::Take(size_t bytes) const {
  const size_t size = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  Lock lock(blocks_->mutex);
  std::vector<void*>& unused = blocks_->unused[size];
  if (unused.empty()) {
    const size_t count = std::max<size_t>(kSlabBytes / size, 1);
    std::shared_ptr<void> slab = blocks_->slab(count * size);
    for (size_t i = count; i > 0; --i) {
      unused.push_back(static_cast<std::byte*>(slab.get()) + (i - 1) * size);
    }
    blocks_->slabs.push_back(std::move(slab));
  }
  void* const block = unused.back();
  unused.pop_back();
  return {block, [blocks = blocks_, size](void* used) {
            Lock lock(blocks->mutex);
            blocks->unused[size].push_back(used);
          }};
}

}  // namespace patchserve
