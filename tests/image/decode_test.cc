#include "server/image/decode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
