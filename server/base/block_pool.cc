#include "server/base/block_pool.h"

#include <algorithm>
#include <bit>
#include <new>
#include <utility>

namespace patchserve {

std::shared_ptr<void> AllocateOnHeap(size_t bytes) {
  return {::operator new(bytes), [](void* memory) { ::operator delete(memory); }};
}

BlockPool::BlockPool(size_t keep, Allocate slab)
    : blocks_(new Blocks{.keep = keep, .slab = std::move(slab)}) {}

void BlockPool::Blocks::GiveUpUnused(Slabs& given_up) {
  for (auto& [size, same] : slabs) {
    std::erase_if(same,
                  [&](const std::shared_ptr<Slab>& slab) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
                    if (slab->unused.size() < slab->blocks) return false;
                    bytes -= slab->bytes;
                    given_up.push_back(slab);
                    return true;
                  });
  }
}

std::shared_ptr<BlockPool::Slab> BlockPool::Blocks::NewSlab(size_t size, Slabs& given_up) {
  const size_t count = std::max<size_t>(kSlabBytes / size, 1);
  const size_t counts_as = std::bit_ceil(count * size);
  if (bytes + counts_as > keep) GiveUpUnused(given_up);
  auto added = std::make_shared<Slab>(Slab{slab(count * size), counts_as, count, {}});
  added->unused.reserve(count);
  for (size_t i = count; i > 0; --i) {
    added->unused.push_back(static_cast<std::byte*>(added->memory.get()) + (i - 1) * size);
  }
  bytes += counts_as;
  return added;
}

std::shared_ptr<void> BlockPool::Take(size_t bytes) const {
  const size_t size = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  Slabs given_up;  // freed without the lock: that may take milliseconds
  Lock lock(blocks_->mutex);
  Slabs& slabs = blocks_->slabs[size];
  auto found =
      std::find_if(slabs.begin(), slabs.end(), [](const auto& s) { return !s->unused.empty(); });
  if (found == slabs.end()) found = slabs.insert(slabs.end(), blocks_->NewSlab(size, given_up));
  const std::shared_ptr<Slab> slab = *found;
  void* const block = slab->unused.back();
  slab->unused.pop_back();
  lock.unlock();  // where there is no memory to count references, the block goes back at once
  return {block, [blocks = blocks_, slab](void* used) {
            Lock lock(blocks->mutex);
            slab->unused.push_back(used);
          }};
}

}  // namespace patchserve
