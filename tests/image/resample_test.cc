#include "server/image/resample.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "server/image/resample_passes.h"
#include "tests/image/test_images.h"

namespace patchserve {
namespace {

using ::testing::Each;
using ::testing::Eq;

Image Whole(const Image& image, int width, int height, Interpolation interpolation) {
  return Resample(image, width, height, interpolation, {0, 0, width, height});
}

TEST(ResampleTest, TheSameSizeIsACopy) {
  const Image image = Noise(7, 5, 1);
  EXPECT_EQ(Pixels(Whole(image, 7, 5, Interpolation::kBicubic)), Pixels(image));
}

TEST(ResampleTest, AFlatPictureStaysFlat) {
  Image image = Image::Uninitialized(100, 50);
  std::fill_n(image.pixels.get(), image.size(), 201);
  EXPECT_THAT(Pixels(Whole(image, 33, 77, Interpolation::kBicubic)), Each(Eq(201)));
  EXPECT_THAT(Pixels(Whole(image, 33, 77, Interpolation::kBilinear)), Each(Eq(201)));
}

TEST(ResampleTest, ASinglePixelFillsThePicture) {
  Image image = Image::Uninitialized(1, 1);
  std::fill_n(image.pixels.get(), 3, 9);
  EXPECT_THAT(Pixels(Whole(image, 40, 30, Interpolation::kBicubic)), Each(Eq(9)));
}

TEST(ResampleTest, BicubicOvershootIsClipped) {
  const Image image = Noise(64, 64, 3, /*saturated=*/true);
  EXPECT_THAT(Pixels(Whole(image, 128, 128, Interpolation::kBicubic)),
              testing::AllOf(testing::Contains(0), testing::Contains(255)));
}

// The part of `whole` that `box` names.
std::vector<uint8_t> Part(const Image& whole, const Box& box) {
  return Pixels(Resample(whole, whole.width, whole.height, Interpolation::kBicubic, box));
}

TEST(ResampleTest, ABoxIsThatPartOfTheWhole) {
  std::minstd_rand random(5);
  for (int i = 0; i < 60; ++i) {
    const Image image = Noise(1 + random() % 90, 1 + random() % 90, i);
    const int width = 1 + random() % 120, height = 1 + random() % 120;
    const Image whole = Whole(image, width, height, Interpolation::kBicubic);
    const int left = random() % width, top = random() % height;
    const Box box = {left, top, 1 + static_cast<int>(random() % (width - left)),
                     1 + static_cast<int>(random() % (height - top))};
    const Image part = Resample(image, width, height, Interpolation::kBicubic, box);
    EXPECT_EQ(Pixels(part), Part(whole, box))
        << image.width << "x" << image.height << " -> " << width << "x" << height;
  }
}

class PassesTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!HasAvx2()) GTEST_SKIP() << "this CPU has no AVX2";
  }
};

// Vectors of just the bytes that may be read, so that a sanitizer sees their end.
TEST_F(PassesTest, Avx2AlongRowsEqualsPortableCode) {
  std::minstd_rand random(6);
  for (int i = 0; i < 200; ++i) {
    const int width = 1 + random() % 70, rows = 1 + random() % 9, out = 1 + random() % 70;
    const auto pixels = Pixels(Noise(width, rows, i, i % 3 == 0));
    const auto weights = ComputeWeights(width, out, Interpolation::kBicubic, 0, out);
    std::vector<uint8_t> expected(3 * out * rows), got(3 * out * rows);
    const Rows in = {pixels.data(), size_t{3} * width, pixels.size()};
    PortablePasses().along_rows(in, rows, weights, expected.data(), 3 * out);
    Avx2Passes().along_rows(in, rows, weights, got.data(), 3 * out);
    ASSERT_EQ(got, expected) << width << " -> " << out << ", " << rows << " rows";
  }
}

TEST_F(PassesTest, Avx2AcrossRowsEqualsPortableCode) {
  std::minstd_rand random(7);
  for (int i = 0; i < 200; ++i) {
    const int width = 1 + random() % 40, height = 1 + random() % 70, out = 1 + random() % 70;
    const auto pixels = Pixels(Noise(width, height, i, i % 3 == 0));
    const auto weights = ComputeWeights(height, out, Interpolation::kBicubic, 0, out);
    std::vector<uint8_t> expected(3 * width * out), got(3 * width * out);
    const Rows in = {pixels.data(), size_t{3} * width, pixels.size()};
    PortablePasses().across_rows(in, 3 * width, weights, expected.data(), 3 * width);
    Avx2Passes().across_rows(in, 3 * width, weights, got.data(), 3 * width);
    ASSERT_EQ(got, expected) << height << " -> " << out << ", " << width << " wide";
  }
}

}  // namespace
}  // namespace patchserve
