#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "server/image/decode.h"
#include "server/image/header.h"
#include "server/image/png_header.h"
#include "tests/image/test_images.h"

namespace patchserve {
namespace {

using ::testing::HasSubstr;
using ::testing::internal::CaptureStderr;
using ::testing::internal::GetCapturedStderr;

absl::StatusOr<Image> ReadAndDecode(const File& file) {
  // Small, so that no damaged size makes a test slow.
  const auto info = ReadHeader(file, {.max_pixels = 1'000'000});
  if (!info.ok()) return info.status();
  return Decode(file, *info);
}

File CutOff(const std::string& name, double part) {
  File file = ReadTestImage(name);
  file.resize(file.size() * part);
  return file;
}

class CutOffFileTest : public testing::TestWithParam<const char*> {};

TEST_P(CutOffFileTest, IsRefused) {
  for (double part : {0.3, 0.5, 0.7, 0.9}) {
    const auto image = ReadAndDecode(CutOff(GetParam(), part));
    EXPECT_EQ(image.status().code(), absl::StatusCode::kInvalidArgument) << part;
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, CutOffFileTest,
                         testing::Values("chelsea.jpg", "progressive.jpg", "gray.jpg", "cmyk.jpg",
                                         "rgb.png", "interlaced.png", "gray16.png", "animated.png",
                                         "lossy.webp", "lossless.webp", "animated.webp",
                                         "bits24.bmp"));

TEST(DamagedFileTest, TheMessageSaysWhatIsWrong) {
  EXPECT_EQ(ReadAndDecode(CutOff("chelsea.jpg", 0.5)).status().message(),
            "image file is damaged or cut off: it can't be decoded");
}

TEST(DamagedFileTest, APngWithAWrongChecksumIsRefused) {
  File file = ReadTestImage("rgb.png");
  file[file.size() - 14] ^= 1;  // of IDAT; IEND's 12 bytes follow
  EXPECT_FALSE(ReadAndDecode(file).ok());
}

TEST(DamagedFileTest, ABmpWhoseColoursWouldBeMisreadIsRefused) {
  File overlapping = ReadTestImage("bits8.bmp");
  overlapping[10] = 54;  // where pixels begin: the palette does
  overlapping[11] = 0;
  EXPECT_THAT(ReadAndDecode(overlapping).status().message(), HasSubstr("inside of its palette"));
  File masked = ReadTestImage("bits32.bmp");
  masked[30] = 3;  // there are masks: what was the first pixels
  EXPECT_THAT(ReadAndDecode(masked).status().message(), HasSubstr("unusual order of colours"));
}

TEST(DamagedFileTest, APngChunkLongerThanTheFileIsRefused) {
  File file = ReadTestImage("rgb.png");
  file[33] = 0x7f;  // of the length of IDAT, which follows signature and IHDR
  EXPECT_FALSE(ReadAndDecode(file).ok());
}

TEST(DamagedFileTest, OnlyThePixelsOfAPngReachTheDecoder) {
  const File file = ReadTestImage("orientation6.png");
  EXPECT_TRUE(ReadPngHeader(file).has_extras);  // EXIF
  const auto only_pixels = OnlyPixels(file);
  EXPECT_FALSE(ReadPngHeader(only_pixels).has_extras);
  EXPECT_TRUE(ReadPngHeader(only_pixels).complete);
}

TEST(DamagedFileTest, AnotherSizeThanTheHeadersIsRefused) {
  const File file = ReadTestImage("420.jpg");
  ImageInfo info = ReadHeader(file, {}).value();
  info.width += 1;
  EXPECT_EQ(Decode(file, info).status().code(), absl::StatusCode::kInvalidArgument);
  const File cmyk = ReadTestImage("cmyk.jpg");
  EXPECT_EQ(Decode(cmyk, info).status().code(), absl::StatusCode::kInvalidArgument);
}

// Whatever the bytes, the answer is a picture or INVALID_ARGUMENT.
TEST(DamagedFileTest, RandomDamageIsSurvived) {
  std::minstd_rand random(1);
  for (const auto& row : ReadTable(TestImagePath("decode.tsv"))) {
    const File whole = ReadTestImage(row[0]);
    if (whole.size() > 10000) continue;
    for (int i = 0; i < 40; ++i) {
      File file = whole;
      for (int n = 0; n < 1 + i % 4; ++n) file[random() % file.size()] = random();
      const auto image = ReadAndDecode(file);
      if (!image.ok()) {
        EXPECT_EQ(image.status().code(), absl::StatusCode::kInvalidArgument) << row[0];
      }
    }
  }
}

// The libraries' own reports would be a log that every caller can fill.
TEST(DamagedFileTest, NothingIsWrittenToStandardError) {
  CaptureStderr();
  for (const auto& row : ReadTable(TestImagePath("decode.tsv"))) {
    (void)ReadAndDecode(CutOff(row[0], 0.6));
    File file = ReadTestImage(row[0]);
    for (size_t i = file.size() / 2; i < file.size(); i += 97) file[i] ^= 0x55;
    (void)ReadAndDecode(file);
  }
  EXPECT_EQ(GetCapturedStderr(), "");
}

}  // namespace
}  // namespace patchserve
