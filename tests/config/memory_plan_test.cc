#include "server/config/memory_plan.h"

#include <gmock/gmock.h>

#include <string>

namespace patchserve {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kMiB = 1 << 20;

Config WithLimit(int64_t limit) {
  Config config;
  config.memory_limit = limit;
  config.transport.max_grpc_memory = GrpcMemory(limit);
  config.max_image_bytes = 20'000'000;
  config.max_image_pixels = 52'000'000;
  return config;
}

TEST(MemoryPlanTest, ThePartsAddUpToTheLimit) {
  for (int64_t limit : {1024 * kMiB, 2048 * kMiB, 200'000 * kMiB}) {
    const auto plan = PlanMemory(WithLimit(limit), 500 * kMiB);
    ASSERT_TRUE(plan.ok()) << plan.status();
    EXPECT_EQ(plan->process + plan->grpc + plan->images + plan->decoding + plan->spare, limit);
    EXPECT_GE(plan->images, 20'000'000);
    EXPECT_GE(plan->decoding, 3 * 52'000'000);
  }
}

TEST(MemoryPlanTest, WhereTheLargestImageDoesntFitTheSumIsTold) {
  const auto plan = PlanMemory(WithLimit(512 * kMiB), 300 * kMiB);
  EXPECT_TRUE(absl::IsFailedPrecondition(plan.status()));
  EXPECT_THAT(
      std::string(plan.status().message()),
      HasSubstr("--memory_limit is 512 MiB, less than the sum of 300 MiB for the process "
                "and its models, 64 for gRPC (--max_grpc_memory), 23 for images in flight"));
}

TEST(MemoryPlanTest, FlagsHoldAndThoseThatWantMoreThanThereIsAreRefused) {
  Config config = WithLimit(2048 * kMiB);
  config.max_bytes_in_flight = 100 * kMiB;
  config.max_decoding_bytes = 300 * kMiB;
  const auto plan = PlanMemory(config, 500 * kMiB);
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->images, 100 * kMiB);
  EXPECT_EQ(plan->decoding, 300 * kMiB);
  config.max_decoding_bytes = 1500 * kMiB;
  EXPECT_TRUE(absl::IsFailedPrecondition(PlanMemory(config, 500 * kMiB).status()));
}

}  // namespace
}  // namespace patchserve
