// What the gather kernel's threads write, on a CPU, beside what Normalization gives.
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randint.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <bit>
#include <numeric>
#include <random>

#include "server/model/cuda/gather_chunk.h"
#include "server/model/normalization.h"

namespace patchserve::cuda {
namespace {

template <typename Value, typename Convert>
void RunEachThread(const Gather& gather, const Convert& convert) {
  std::vector<int64_t> order(gather.count * ChunksOf(gather));
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), std::mt19937(1));
  for (int64_t i : order) {
    GatherChunk(gather, static_cast<const Value*>(gather.table),
                static_cast<int>(i / ChunksOf(gather)), i % ChunksOf(gather), convert);
  }
}

void GatherInRandomOrder(const Gather& gather) {
  switch (gather.type) {
    case ValueType::kFloat32:
      return RunEachThread<uint32_t>(gather, [](float x) { return std::bit_cast<uint32_t>(x); });
    case ValueType::kBFloat16:
      return RunEachThread<uint16_t>(gather, [](float x) { return c10::BFloat16(x).x; });
    case ValueType::kFloat16:
      return RunEachThread<uint16_t>(gather, [](float x) { return c10::Half(x).x; });
  }
}

constexpr std::pair<ValueType, at::ScalarType> kTypes[] = {{ValueType::kFloat32, at::kFloat},
                                                           {ValueType::kBFloat16, at::kBFloat16},
                                                           {ValueType::kFloat16, at::kHalf}};

// Sides whose images are, and are not, whole numbers of chunks.
constexpr std::pair<int64_t, int64_t> kSides[] = {{32, 32}, {4, 4}, {5, 7}, {1, 1}, {224, 223}};

TEST(GatherTest, PixelsAndTensorsBecomeTheNetworksInputInEveryPrecisionAndSize) {
  for (const auto& [value_type, type] : kTypes) {
    for (const auto& [height, width] : kSides) {
      const Normalization normalize(Preprocessing{}, at::TensorOptions(type));
      const at::Tensor pixels = at::randint(256, {3, height, width, 3}, at::kByte);
      const at::Tensor planes = at::rand({1, 3, height, width}).sub_(0.5).mul_(9);
      const at::Tensor expected = at::cat(
          std::vector<at::Tensor>{normalize(pixels), planes.permute({0, 2, 3, 1}).to(type)});
      // A guard row behind.
      const at::Tensor out = at::full({5, height, width, 3}, 7.0f, at::TensorOptions(type));
      Gather gather{.type = value_type,
                    .pixels = height * width,
                    .table = normalize.table().const_data_ptr(),
                    .out = out.mutable_data_ptr()};
      for (int i = 0; i < 3; ++i) gather.Add(pixels[i].const_data_ptr(), false);
      gather.Add(planes.const_data_ptr(), true);
      GatherInRandomOrder(gather);
      EXPECT_TRUE(at::equal(out.narrow(0, 0, 4), expected))
          << type << " " << height << "x" << width;
      EXPECT_TRUE(at::equal(out[4], at::full({height, width, 3}, 7.0f, at::TensorOptions(type))));
    }
  }
}

TEST(GatherTest, AnyOfAllImagesMayBeATensor) {
  Gather gather;
  for (int i = 0; i < Gather::kMostImages; ++i) gather.Add(&gather, i % 3 == 0);
  EXPECT_EQ(gather.count, Gather::kMostImages);
  for (int i = 0; i < Gather::kMostImages; ++i) {
    EXPECT_EQ(gather.tensor[i / 32] >> i % 32 & 1, i % 3 == 0) << i;
  }
  static_assert(sizeof(Gather) <= 4096);
}

}  // namespace
}  // namespace patchserve::cuda
