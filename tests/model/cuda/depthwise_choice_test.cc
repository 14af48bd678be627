#include "server/model/cuda/depthwise_choice.h"

#include <gtest/gtest.h>

#include "server/model/cuda/card.h"

namespace patchserve::cuda {
namespace {

constexpr DepthwiseDevice kH100 = {.multiprocessors = 132, .shared_bytes = 227 << 10};
constexpr DepthwiseDevice kL4 = {.multiprocessors = 58, .shared_bytes = 99 << 10};

constexpr DepthwiseShape Shape(int64_t images, int64_t height, int64_t width, int64_t channels,
                               int64_t kernel = 9) {
  return {
      .images = images, .height = height, .width = width, .channels = channels, .kernel = kernel};
}

TEST(CudaDepthwiseChoiceTest, LargeBlocksOnceTheyOccupyTheDevice) {
  // 24 blocks an image, for 132 multiprocessors.
  EXPECT_EQ(ChooseDepthwiseGroups(Shape(8, 32, 32, 768), kH100), kSmallBlockGroups);
  EXPECT_EQ(ChooseDepthwiseGroups(Shape(9, 32, 32, 768), kH100), kLargeBlockGroups);
}

TEST(CudaDepthwiseChoiceTest, ImagesOfMoreThanFourTilesAreForSmallBlocks) {
  EXPECT_EQ(ChooseDepthwiseGroups(Shape(128, 64, 16, 768), kH100), kLargeBlockGroups);
  EXPECT_EQ(ChooseDepthwiseGroups(Shape(128, 33, 17, 768), kH100), kSmallBlockGroups);
}

TEST(CudaDepthwiseChoiceTest, AnImageMustFitIntoABlocksMemory) {
  EXPECT_EQ(ChooseDepthwiseGroups(Shape(1, 64, 64, 16), kH100), kSmallBlockGroups);
  EXPECT_EQ(ChooseDepthwiseGroups(Shape(1, 64, 64, 16), kL4), 0);
  EXPECT_EQ(ChooseDepthwiseGroups(Shape(1, 48, 48, 16), kL4), kSmallBlockGroups);
}

TEST(CudaDepthwiseChoiceTest, ThereIsNoKernelForOtherShapes) {
  EXPECT_EQ(ChooseDepthwiseGroups(Shape(1, 16, 16, 12), kH100), 0);
  EXPECT_EQ(ChooseDepthwiseGroups(Shape(1, 16, 16, 0), kH100), 0);
  EXPECT_EQ(ChooseDepthwiseGroups(Shape(1, 65, 16, 8), kH100), 0);
  EXPECT_EQ(ChooseDepthwiseGroups(Shape(1, 16, 65, 8), kH100), 0);
  EXPECT_EQ(ChooseDepthwiseGroups(Shape(0, 16, 16, 8), kH100), 0);
  EXPECT_EQ(ChooseDepthwiseGroups(Shape(65536, 16, 16, 8), kH100), 0);
  EXPECT_EQ(ChooseDepthwiseGroups(Shape(1, 16, 16, 8, 2), kH100), 0);
  EXPECT_EQ(ChooseDepthwiseGroups(Shape(1, 16, 16, 8, 10), kH100), 0);
}

TEST(CudaCardTest, ThereIsCodeForAmpereAdaAndHopper) {
  for (int major : {8, 9}) EXPECT_TRUE(HasCode(major)) << major;
  for (int major : {0, 7, 10, 12}) EXPECT_FALSE(HasCode(major)) << major;
}

}  // namespace
}  // namespace patchserve::cuda
