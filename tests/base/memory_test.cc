#include "server/base/memory.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>

namespace patchserve {
namespace {

TEST(MemoryTest, TheLimitIsAtLeastWhatIsInUse) {
  EXPECT_GT(ReadResidentMemory().now, 0);
  EXPECT_GT(MemoryLimit(), ReadResidentMemory().now);
}

TEST(MemoryTest, ThePeakRemembersWhatWasGivenBack) {
  constexpr size_t kSize = 64 << 20;
  ResetPeakResident();
  const int64_t before = ReadResidentMemory().now;
  {
    const std::unique_ptr<char[]> block(new char[kSize]);
    std::memset(block.get(), 1, kSize);
    EXPECT_GT(ReadResidentMemory().now, before + kSize * 9 / 10);
  }
  EXPECT_GT(ReadResidentMemory().peak, before + kSize * 9 / 10);
}

TEST(MemoryTest, ALimitIsInBytesAndNoneIsNone) {
  EXPECT_EQ(CgroupMemory("2147483648\n"), int64_t{2} << 30);
  EXPECT_EQ(CgroupMemory("max"), std::nullopt);
  EXPECT_EQ(CgroupMemory(""), std::nullopt);
}

}  // namespace
}  // namespace patchserve
