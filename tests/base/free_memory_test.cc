#include "server/base/free_memory.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <memory>
#include <vector>

namespace patchserve {
namespace {

int64_t ResidentBytes() {
  int64_t all = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> all >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

TEST(FreeMemoryTest, WhatManySmallThingsTookGoesBackToTheSystem) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the sanitizer brings its own allocator";
#endif
  constexpr size_t kSize = 20'000, kCount = 20'000;
  std::vector<std::unique_ptr<char[]>> calls(kCount);
  for (auto& call : calls) {
    call.reset(new char[kSize]);
    std::memset(call.get(), 1, kSize);
  }
  const int64_t most = ResidentBytes();
  calls.erase(calls.begin(), calls.end() - 1);  // the last one is at the heap's end
  GiveBackFreeMemory();
  EXPECT_LT(ResidentBytes(), most - int64_t{kSize * kCount} / 2);
}

}  // namespace
}  // namespace patchserve
