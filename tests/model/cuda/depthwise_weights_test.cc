#include "server/model/cuda/depthwise_weights.h"

#include <gmock/gmock.h>

#include <numeric>
#include <vector>

namespace patchserve::cuda {
namespace {

using ::testing::ElementsAre;

// As bfloat16, which has them exactly.
uint32_t Words(float first, float second) {
  const auto bits = [](float value) {
    uint32_t word;
    __builtin_memcpy(&word, &value, sizeof(word));
    return word >> 16;
  };
  return bits(first) | bits(second) << 16;
}

// The words of row y of a channel.
std::vector<uint32_t> Row(const std::vector<uint32_t>& packed, int64_t channel, int64_t y,
                          int64_t kernel, int64_t words) {
  const auto from = packed.begin() + ((channel / 8 * kernel + y) * 8 + channel % 8) * words;
  return {from, from + words};
}

TEST(CudaDepthwiseWeightsTest, ARowIsThereInPairsFromItsFirstAndFromItsSecondWeight) {
  std::vector<float> weight(16 * 3 * 3);
  std::iota(weight.begin(), weight.end(), 0.0f);
  const auto packed = PackDepthwiseWeights(weight.data(), 16, 3, HalfType::kBFloat16);

  ASSERT_EQ(packed.size(), 16 * 3 * 5);
  EXPECT_THAT(Row(packed, 0, 0, 3, 5),
              ElementsAre(Words(0, 1), Words(2, 0), Words(0, 0), Words(1, 2), 0u));
  EXPECT_THAT(Row(packed, 9, 2, 3, 5),
              ElementsAre(Words(87, 88), Words(89, 0), Words(0, 87), Words(88, 89), 0u));
}

TEST(CudaDepthwiseWeightsTest, AnEvenRowEndsInThePairsFromItsSecondWeight) {
  std::vector<float> weight(8 * 4 * 4);
  std::iota(weight.begin(), weight.end(), 0.0f);
  const auto packed = PackDepthwiseWeights(weight.data(), 8, 4, HalfType::kBFloat16);

  ASSERT_EQ(packed.size(), 8 * 4 * 6);
  EXPECT_THAT(Row(packed, 7, 3, 4, 6), ElementsAre(Words(124, 125), Words(126, 127), Words(0, 124),
                                                   Words(125, 126), Words(127, 0), 0u));
}

TEST(CudaDepthwiseWeightsTest, WeightsAreRoundedToTheNearestOfTheType) {
  std::vector<float> weight(8 * 3 * 3, 1.0f + 3.0f / 512);  // between 1 and 1 + 1/64 and so on
  EXPECT_EQ(PackDepthwiseWeights(weight.data(), 8, 3, HalfType::kBFloat16)[0], 0x3f813f81);
  EXPECT_EQ(PackDepthwiseWeights(weight.data(), 8, 3, HalfType::kFloat16)[0], 0x3c063c06);
}

}  // namespace
}  // namespace patchserve::cuda
