#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "absl/strings/match.h"
#include "server/image/decode.h"
#include "server/image/header.h"
#include "server/image/png_header.h"
#include "server/image/zlib_stream.h"
#include "tests/image/file_parts.h"
#include "zlib.h"

namespace patchserve {
namespace {

using ::testing::Each;
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
                                         "rgb.png", "interlaced.png", "gray16.png", "lossy.webp",
                                         "lossless.webp", "animated.webp", "bits24.bmp"));

TEST(DamagedFileTest, TheMessageSaysWhatIsWrong) {
  EXPECT_EQ(ReadAndDecode(CutOff("chelsea.jpg", 0.5)).status().message(),
            "image file is damaged or cut off: it can't be decoded");
}

TEST(DamagedFileTest, APngWithAWrongChecksumIsRefused) {
  File file = ReadTestImage("rgb.png");
  file[file.size() - 14] ^= 1;  // of IDAT; IEND's 12 bytes follow
  EXPECT_FALSE(ReadAndDecode(file).ok());
}

// Of IEND, or of the two checksums before it: every pixel is there.
TEST(DamagedFileTest, APngThatLacksItsLastBytesIsDecoded) {
  constexpr size_t kEnd = 12, kChecksum = 4, kAdler32 = 4;
  for (const auto& row : ReadTable(TestImagePath("decode.tsv"))) {
    if (!absl::EndsWith(row[0], ".png")) continue;
    const File whole = ReadTestImage(row[0]);
    for (size_t lost = 1; lost <= kEnd + kChecksum + kAdler32; ++lost) {
      const auto image = ReadAndDecode(File(whole.begin(), whole.end() - lost));
      ASSERT_TRUE(image.ok()) << row[0] << " without " << lost << ": " << image.status();
      EXPECT_EQ(Sha256(*image), row[4]) << row[0] << " without " << lost;
    }
  }
}

// The code at the end of its pixels has one to fifteen bits.
TEST(DamagedFileTest, APngIsDecodedIfItLacksTheEndOfItsPixelsButNoPixel) {
  const File whole = ReadTestImage("rgb.png");
  EXPECT_EQ(Sha256(ReadAndDecode(File(whole.begin(), whole.end() - 21)).value()),
            Sha256(DecodeTestImage("rgb.png")));
  EXPECT_FALSE(ReadAndDecode(File(whole.begin(), whole.end() - 24)).ok());
}

// What a small file unpacks to must cost no more than its picture.
TEST(DamagedFileTest, NoMoreOfABrokenStreamIsUnpackedThanThePictureNeeds) {
  const File zeros(1'000'000);
  File packed(10'000);
  uLongf size = packed.size();
  ASSERT_EQ(compress(packed.data(), &size, zeros.data(), zeros.size()), Z_OK);
  UnpackedStream stream(1000);
  stream.Add(absl::MakeConstSpan(packed).first(size - 4), [](absl::Span<const uint8_t>) {});
  EXPECT_TRUE(stream.goes_on());
  EXPECT_LT(stream.bytes(), 100'000);
}

// A grey picture of side x side pixels by the stream of its rows.
File GrayPngOf(uint16_t side, const File& stream) {
  const File signature = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  const uint8_t high = side >> 8, low = side & 0xff;
  return Joined({signature, PngChunk("IHDR", {0, 0, high, low, 0, 0, high, low, 8, 0, 0, 0, 0}),
                 PngChunk("IDAT", stream), PngChunk("IEND", {})});
}

// Of pixels of the value 9, not packed, and so many bytes more in its stream.
File GrayPng(uint16_t side, size_t more) {
  File stream;
  auto append = [&](absl::Span<const uint8_t> piece) {
    stream.insert(stream.end(), piece.begin(), piece.end());
  };
  StoredStream stored;
  File row(1 + side, 9);
  row[0] = 0;  // no filter
  for (int i = 0; i < side; ++i) stored.Add(row, append);
  stored.Add(File(more), append);
  stored.Finish(append);
  return GrayPngOf(side, stream);
}

TEST(DamagedFileTest, WhatALargePngsStreamHasBehindItsPixelsIsNotUnpacked) {
  const File file = GrayPng(8, 3'000'000);
  EXPECT_LT(WithUnpackedPixels(file, ReadHeader(file, {}).value()).size(), 100'000);
  const auto image = ReadAndDecode(file);
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_THAT(absl::MakeConstSpan(image->pixels.get(), image->size()), Each(9));
}

// Where it is too large for the decoder to see it as it is.
TEST(DamagedFileTest, ALargePngThatIsDamagedIsRefused) {
  const File file = GrayPng(1000, 300'000);
  ASSERT_TRUE(ReadAndDecode(file).ok());
  File no_stream = file;
  no_stream[41] ^= 0xff;  // the stream's first byte
  EXPECT_FALSE(ReadAndDecode(no_stream).ok());
  File wrong_checksum = GrayPng(1000, 0);
  ASSERT_GT(wrong_checksum.size(), 1'000'000);
  ASSERT_TRUE(ReadAndDecode(wrong_checksum).ok());
  wrong_checksum[wrong_checksum.size() - 14] ^= 1;  // of IDAT; IEND's 12 bytes follow
  EXPECT_FALSE(ReadAndDecode(wrong_checksum).ok());
}

// A vector that grows would hold them twice.
TEST(DamagedFileTest, APngsUnpackedPixelsAreWrittenWhereTheyAllFit) {
  constexpr uint16_t kSide = 1200;
  const File file = GrayPngOf(kSide, Deflated(File(kSide * (1 + kSide))));
  const File unpacked = WithUnpackedPixels(file, ReadHeader(file, {}).value());
  EXPECT_GT(unpacked.size(), kSide * kSide);
  EXPECT_LT(unpacked.capacity(), 1.2 * unpacked.size());
}

// Whatever its colours, interlaced or not.
TEST(DamagedFileTest, APngWithUnpackedPixelsHasTheSamePixels) {
  for (const auto& row : ReadTable(TestImagePath("decode.tsv"))) {
    if (!absl::EndsWith(row[0], ".png")) continue;
    const File file = ReadTestImage(row[0]);
    EXPECT_EQ(Sha256(ReadAndDecode(WithUnpackedPixels(file, ReadHeader(file, {}).value())).value()),
              row[4])
        << row[0];
  }
}

TEST(DamagedFileTest, WhatStandsInPlaceOfAPngsEndIsIgnored) {
  const File whole = ReadTestImage("rgb.png");
  const File pixels(whole.begin(), whole.end() - 12);
  for (const File& end :
       {File(500), File(500, 0xff), Text("PK\3\4, an archive"), PngChunk("IEND", {1, 2})}) {
    EXPECT_EQ(Sha256(ReadAndDecode(Joined({pixels, end})).value()),
              Sha256(DecodeTestImage("rgb.png")));
  }
}

TEST(DamagedFileTest, APngsChunkThatClaimsMoreThanTheFileHasIsRefusedUnlessItIsPixels) {
  const File whole = ReadTestImage("rgb.png");
  const File pixels(whole.begin(), whole.end() - 12);
  EXPECT_FALSE(ReadAndDecode(Joined({pixels, {0x7f, 0, 0, 0}, Text("tEXt and more")})).ok());
  File claiming = whole;
  claiming[33] = 0x7f;  // of the length of IDAT, which follows signature and IHDR
  EXPECT_EQ(Sha256(ReadAndDecode(claiming).value()), Sha256(DecodeTestImage("rgb.png")));
}

TEST(DamagedFileTest, AnAnimatedPngCutOffAfterItsFirstPictureIsDecoded) {
  const File cut = CutOff("animated.png", 0.7);
  EXPECT_EQ(Sha256(ReadAndDecode(cut).value()), Sha256(DecodeTestImage("animated.png")));
  EXPECT_FALSE(ReadAndDecode(CutOff("animated.png", 0.3)).ok());
}

TEST(DamagedFileTest, OnlyThePixelsOfAPngReachTheDecoder) {
  const File file = ReadTestImage("orientation6.png");
  EXPECT_FALSE(ReadHeader(file, {}).value().png.only_pixels);  // EXIF
  EXPECT_TRUE(ReadHeader(OnlyPixels(file), {}).value().png.only_pixels);
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
