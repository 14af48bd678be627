#include "server/image/decode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <thread>
#include <vector>

#include "server/image/header.h"
#include "tests/image/test_images.h"

namespace patchserve {
namespace {

// Each test image stands for one thing that Pillow's convert("RGB") does: palettes,
// alpha that is dropped, 16 bits, CMYK, interlacing, the first frame of animations.
TEST(DecodeTest, EveryTestImageGivesPillowsPixels) {
  for (const auto& row : ReadTable(TestImagePath("decode.tsv"))) {
    const File file = ReadTestImage(row[0]);
    const auto image = Decode(file, ReadHeader(file, {}).value());
    ASSERT_TRUE(image.ok()) << row[0] << ": " << image.status();
    EXPECT_EQ(Sha256(*image), row[4]) << row[0];
  }
}

TEST(DecodeTest, EveryTestImageIsTurnedUprightAsPillowDoes) {
  for (const auto& row : ReadTable(TestImagePath("decode.tsv"))) {
    const Image upright = Upright(DecodeTestImage(row[0]), std::stoi(row[3]));
    EXPECT_EQ(Sha256(upright), row[5]) << row[0];
  }
}

TEST(DecodeTest, TheOrientationIsNotAppliedByDecoding) {
  const Image image = DecodeTestImage("orientation6.jpg");
  EXPECT_EQ(image.width, 12);
  EXPECT_EQ(image.height, 7);
}

TEST(DecodeTest, SixteenBitGrayIsClippedAndNotScaled) {
  // 256 and more become white, as in Pillow.
  const Image image = DecodeTestImage("gray16.png");
  const uint8_t* last = image.pixels.get() + image.size() - 3;
  EXPECT_THAT(std::vector<uint8_t>(last, last + 3), testing::Each(255));
}

// The mean of the place's pixels in a picture that is `shrink` times as large.
double MeanThere(const Image& large, int shrink, int x, int y, int color) {
  double sum = 0;
  int count = 0;
  for (int row = shrink * y; row < std::min(shrink * (y + 1), large.height); ++row) {
    for (int column = shrink * x; column < std::min(shrink * (x + 1), large.width); ++column) {
      sum += large.pixels[3 * (size_t{1} * row * large.width + column) + color];
      ++count;
    }
  }
  return sum / count;
}

TEST(DecodeTest, AJpegThatIsShrunkIsNearTheMeansOfItsPixels) {
  const File file = ReadTestImage("chelsea.jpg");
  ImageInfo info = ReadHeader(file, {}).value();
  const Image large = Decode(file, info).value();
  for (int shrink : {2, 4, 8}) {
    info.shrink = shrink;
    const Image small = Decode(file, info).value();
    ASSERT_EQ(small.width, (large.width + shrink - 1) / shrink);
    ASSERT_EQ(small.height, (large.height + shrink - 1) / shrink);
    double difference = 0;
    for (size_t i = 0; i < small.size(); ++i) {
      const int x = i / 3 % small.width, y = i / 3 / small.width;
      difference += std::abs(small.pixels[i] - MeanThere(large, shrink, x, y, i % 3));
    }
    EXPECT_LT(difference / small.size(), 2) << shrink;
  }
}

// Admission has read the headers: decoding doesn't again.
TEST(DecodeTest, DecodingGoesByWhatWasReadOfTheHeader) {
  const File jpeg = ReadTestImage("chelsea.jpg");
  ImageInfo info = ReadHeader(jpeg, {}).value();
  info.jpeg_components = 4;
  EXPECT_FALSE(Decode(jpeg, info).ok());
  const File png = ReadTestImage("rgb.png");
  info = ReadHeader(png, {}).value();
  info.png = {.bit_depth = 16, .color_type = 0};
  EXPECT_FALSE(Decode(png, info).ok());
}

TEST(DecodeTest, ThreadsDecodeAtTheSameTime) {
  const File file = ReadTestImage("chelsea.jpg");
  const ImageInfo info = ReadHeader(file, {}).value();
  const std::string expected = Sha256(Decode(file, info).value());
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] { EXPECT_EQ(Sha256(Decode(file, info).value()), expected); });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace patchserve
