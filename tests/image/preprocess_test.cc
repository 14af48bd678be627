#include "server/image/preprocess.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "tests/image/test_images.h"

namespace patchserve {
namespace {

using Row = std::vector<std::string>;

// "noise:WIDTHxHEIGHT:SEED:SATURATED", or the name of a test image.
Image Source(const std::string& name) {
  if (!absl::StartsWith(name, "noise:")) return DecodeTestImage(name);
  const Row parts = absl::StrSplit(name, absl::ByAnyChar(":x"));
  return Noise(std::stoi(parts[1]), std::stoi(parts[2]), std::stoi(parts[3]), parts[4] == "1");
}

Preprocessing HowOf(const Row& row) {
  Preprocessing how;
  how.width = std::stoi(row[1]);
  how.height = std::stoi(row[2]);
  how.crop_pct = std::stod(row[3]);
  how.crop_mode = row[4] == "squash"   ? CropMode::kSquash
                  : row[4] == "border" ? CropMode::kBorder
                                       : CropMode::kCenter;
  how.interpolation = row[5] == "bicubic" ? Interpolation::kBicubic : Interpolation::kBilinear;
  if (row[6] == "0.5") how.mean = {0.5f, 0.5f, 0.5f};
  return how;
}

std::vector<uint8_t> Preprocessed(const Image& image, const Preprocessing& how) {
  std::vector<uint8_t> out(how.bytes(), 77);
  Preprocess(image, how, absl::MakeSpan(out));
  return out;
}

// The table is made by tools/make_image_golden.py, which also makes other ones.
std::string GoldenTable() {
  const char* other = std::getenv("PATCHSERVE_PREPROCESS_GOLDEN");
  return other != nullptr ? other : TestImagePath("preprocess.tsv");
}

TEST(PreprocessTest, EveryByteIsTimms) {
  for (const Row& row : ReadTable(GoldenTable())) {
    const auto pixels = Preprocessed(Source(row[0]), HowOf(row));
    EXPECT_EQ(Sha256(pixels), row[7]) << absl::StrJoin(row, " ");
  }
}

TEST(JpegShrinkTest, SidesStayTwiceAsLongAsWhatTheyAreResizedTo) {
  // 224x224 are cropped from a short side of 256.
  const Preprocessing how = {.fast_decode = true};
  const auto shrink = [&](int width, int height, int orientation = 1) {
    return JpegShrink({ImageFormat::kJpeg, width, height, orientation}, how);
  };
  EXPECT_EQ(shrink(1023, 1023), 1);
  EXPECT_EQ(shrink(1024, 1024), 2);
  EXPECT_EQ(shrink(4000, 3000), 4);
  EXPECT_EQ(shrink(40000, 1023), 1);
  EXPECT_EQ(shrink(40000, 30000), 8);
}

TEST(JpegShrinkTest, SidesAreThoseOfThePictureTurnedUpright) {
  Preprocessing how = {.width = 200, .height = 100, .crop_mode = CropMode::kSquash, .crop_pct = 1};
  how.fast_decode = true;
  EXPECT_EQ(JpegShrink({ImageFormat::kJpeg, 1600, 800, 1}, how), 4);
  EXPECT_EQ(JpegShrink({ImageFormat::kJpeg, 800, 1600, 6}, how), 4);
  EXPECT_EQ(JpegShrink({ImageFormat::kJpeg, 1600, 800, 6}, how), 2);
  how.apply_orientation = false;
  EXPECT_EQ(JpegShrink({ImageFormat::kJpeg, 1600, 800, 6}, how), 4);
}

TEST(JpegShrinkTest, NothingIsShrunkButAJpegThatMayBe) {
  EXPECT_EQ(JpegShrink({ImageFormat::kJpeg, 4000, 3000}, {}), 1);
  EXPECT_EQ(JpegShrink({ImageFormat::kPng, 4000, 3000}, {.fast_decode = true}), 1);
}

TEST(PreprocessTest, BordersHaveTheMeansColour) {
  Preprocessing how = {.width = 8, .height = 8, .crop_mode = CropMode::kBorder, .crop_pct = 1.0};
  how.mean = {0.1f, 0.5f, 0.9f};
  const auto pixels = Preprocessed(Noise(8, 4, 1), how);
  EXPECT_THAT(std::vector<uint8_t>(pixels.begin(), pixels.begin() + 3),
              testing::ElementsAre(26, 128, 230));  // 25.5, 127.5 and 229.5 go to the even one
}

TEST(PreprocessTest, ALineIsFittedAndDoesNotVanish) {
  const Preprocessing how = {.width = 16, .height = 16, .crop_mode = CropMode::kBorder};
  EXPECT_EQ(Preprocessed(Noise(1, 60000, 1), how).size(), 16 * 16 * 3);
}

TEST(PreprocessTest, TheLongestPossibleLineIsCropped) {
  EXPECT_EQ(Preprocessed(Noise(65535, 1, 1), {.width = 224, .height = 224}).size(), 224 * 224 * 3);
}

}  // namespace
}  // namespace patchserve
