#include "server/base/block_pool.h"

#include <gmock/gmock.h>

#include <cstdint>
#include <new>
#include <optional>
#include <set>
#include <thread>
#include <vector>

namespace patchserve {
namespace {

using ::testing::ElementsAre;

constexpr size_t kImage = 224 * 224 * 3;

class BlockPoolTest : public ::testing::Test {
 protected:
  std::vector<size_t> slabs;  // their sizes
  int alive = 0;              // of them
  void Start(size_t keep) {
    pool.emplace(keep, [this](size_t bytes) {
      slabs.push_back(bytes);
      ++alive;
      return std::shared_ptr<void>(::operator new(bytes, std::align_val_t(256)),
                                   [this](void* slab) {
                                     ::operator delete(slab, std::align_val_t(256));
                                     --alive;
                                   });
    });
  }
  void SetUp() override { Start(2 * BlockPool::kSlabBytes); }

  std::optional<BlockPool> pool;
};

TEST_F(BlockPoolTest, ManyBlocksComeFromOneSlabAndDoNotOverlap) {
  std::set<uintptr_t> at;
  std::vector<std::shared_ptr<void>> blocks;
  for (int i = 0; i < 50; ++i) {
    blocks.push_back(pool->Take(kImage));
    at.insert(reinterpret_cast<uintptr_t>(blocks.back().get()));
  }
  EXPECT_EQ(slabs.size(), 1);
  uintptr_t end = 0;
  for (uintptr_t block : at) {
    EXPECT_GE(block, end);
    EXPECT_EQ(block % BlockPool::kAlignment, 0);
    end = block + kImage;
  }
}

TEST_F(BlockPoolTest, ABlockThatWentBackIsUsedAgainForItsSize) {
  void* const first = pool->Take(kImage).get();
  EXPECT_NE(pool->Take(4 * kImage).get(), first);
  EXPECT_EQ(pool->Take(kImage).get(), first);
  EXPECT_EQ(slabs.size(), 2);
}

TEST_F(BlockPoolTest, ABlockLargerThanASlabHasOneOfItsOwn) {
  pool->Take(BlockPool::kSlabBytes + 1);
  EXPECT_THAT(slabs, ElementsAre(BlockPool::kSlabBytes + BlockPool::kAlignment));
}

TEST_F(BlockPoolTest, SlabsThatNobodyUsesMakeRoomForThoseOfAnotherSize) {
  {
    const auto held = pool->Take(BlockPool::kSlabBytes),
               held_too = pool->Take(BlockPool::kSlabBytes);
    EXPECT_EQ(alive, 2);
  }
  EXPECT_EQ(alive, 2);
  pool->Take(kImage);
  EXPECT_EQ(alive, 1);
}

TEST_F(BlockPoolTest, ASlabStaysWhileOneOfItsBlocksIsUsed) {
  const auto first = pool->Take(kImage), second = pool->Take(2 * kImage);
  const auto third = pool->Take(4 * kImage);
  EXPECT_EQ(slabs.size(), 3);
  pool->Take(kImage);
  EXPECT_EQ(slabs.size(), 3);
}

TEST_F(BlockPoolTest, SlabsCountAsThePowersOfTwoThatArePinned) {
  Start(3 * BlockPool::kSlabBytes - 1);
  pool->Take(5 << 20);
  const auto small = pool->Take(kImage), large = pool->Take(4 * kImage);
  EXPECT_EQ(alive, 2);
}

TEST_F(BlockPoolTest, BlocksOutliveThePoolAndTheSlabsGoWithTheLast) {
  std::shared_ptr<void> block = pool->Take(kImage);
  pool.reset();
  EXPECT_EQ(alive, 1);
  static_cast<uint8_t*>(block.get())[kImage - 1] = 1;
  block = nullptr;
  EXPECT_EQ(alive, 0);
}

TEST(BlockPoolWithoutMemoryTest, WhereThereIsNoSlabItThrowsAndTriesAgain) {
  bool full = true;
  const BlockPool pool(BlockPool::kSlabBytes, [&](size_t bytes) {
    if (full) throw std::bad_alloc();
    return AllocateOnHeap(bytes);
  });
  EXPECT_THROW(pool.Take(1), std::bad_alloc);
  full = false;
  EXPECT_NE(pool.Take(1), nullptr);
}

TEST(BlockPoolThreadsTest, ManyThreadsTakeAndGiveBackAndNoBlockIsInTwoHands) {
  const BlockPool pool(BlockPool::kSlabBytes, AllocateOnHeap);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < 2000; ++i) {
        const std::shared_ptr<void> block = pool.Take(sizeof(int));
        int* const value = static_cast<int*>(block.get());
        *value = thread;
        std::this_thread::yield();
        EXPECT_EQ(*value, thread);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace patchserve
