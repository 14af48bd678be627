#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "server/image/decode.h"
#include "tests/image/test_images.h"

namespace patchserve {
namespace {

using ::testing::ElementsAre;

std::vector<uint8_t> Taken(const File& pixels, int width, int height, PixelFormat format) {
  const ImageInfo info = CheckRaw(pixels, width, height, format, {}).value();
  return Pixels(FromRaw(pixels, info, format));
}

std::string Refusal(const File& pixels, int width, int height, PixelFormat format,
                    const ImageLimits& limits = {}) {
  const auto info = CheckRaw(pixels, width, height, format, limits);
  EXPECT_EQ(info.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(info.status().message());
}

TEST(RawTest, RgbIsTakenAsItIs) {
  EXPECT_THAT(Taken({1, 2, 3, 4, 5, 6}, 2, 1, PixelFormat::kRgb), ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(RawTest, BgrIsSwapped) {
  EXPECT_THAT(Taken({1, 2, 3, 4, 5, 6}, 1, 2, PixelFormat::kBgr), ElementsAre(3, 2, 1, 6, 5, 4));
}

TEST(RawTest, GrayIsRepeated) {
  EXPECT_THAT(Taken({7, 9}, 2, 1, PixelFormat::kGray), ElementsAre(7, 7, 7, 9, 9, 9));
}

TEST(RawTest, AnotherNumberOfBytesIsRefused) {
  EXPECT_EQ(Refusal({1, 2, 3, 4, 5}, 2, 1, PixelFormat::kRgb),
            "raw image has 5 bytes, 2x1x3 needs 6");
  EXPECT_EQ(Refusal({}, 2, 1, PixelFormat::kGray), "raw image has 0 bytes, 2x1x1 needs 2");
}

TEST(RawTest, SidesBelowOneAreRefused) {
  EXPECT_EQ(Refusal({}, 0, 3, PixelFormat::kRgb), "image is 0x3, a side must be at least 1");
  EXPECT_EQ(Refusal({}, 3, -1, PixelFormat::kRgb), "image is 3x-1, a side must be at least 1");
}

TEST(RawTest, TheLimitsHold) {
  const File ten(10);
  EXPECT_EQ(Refusal(ten, 10, 1, PixelFormat::kGray, {.max_bytes = 9}),
            "image has 10 bytes, more than 9");
  EXPECT_EQ(Refusal(ten, 10, 1, PixelFormat::kGray, {.max_pixels = 9}),
            "image is 10x1, more than 9 pixels");
  EXPECT_EQ(Refusal(ten, 2147483647, 2147483647, PixelFormat::kRgb),
            "image is 2147483647x2147483647, more than 52000000 pixels");
}

// 1 2 3
// 4 5 6, of which only the red values are shown.
std::vector<int> Reds(int orientation) {
  const File gray = {1, 2, 3, 4, 5, 6};
  Image image = FromRaw(gray, {ImageFormat::kRaw, 3, 2, 1}, PixelFormat::kGray);
  image = Upright(std::move(image), orientation);
  EXPECT_EQ(image.width, orientation < 5 ? 3 : 2);
  std::vector<int> reds;
  for (size_t i = 0; i < image.size(); i += 3) reds.push_back(image.pixels[i]);
  return reds;
}

TEST(UprightTest, EveryOrientationIsUndone) {
  EXPECT_THAT(Reds(1), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(Reds(2), ElementsAre(3, 2, 1, 6, 5, 4));  // mirrored
  EXPECT_THAT(Reds(3), ElementsAre(6, 5, 4, 3, 2, 1));  // upside down
  EXPECT_THAT(Reds(4), ElementsAre(4, 5, 6, 1, 2, 3));
  EXPECT_THAT(Reds(5), ElementsAre(1, 4, 2, 5, 3, 6));
  EXPECT_THAT(Reds(6), ElementsAre(4, 1, 5, 2, 6, 3));  // a phone held upright
  EXPECT_THAT(Reds(7), ElementsAre(6, 3, 5, 2, 4, 1));
  EXPECT_THAT(Reds(8), ElementsAre(3, 6, 2, 5, 1, 4));
}

}  // namespace
}  // namespace patchserve
