#include "server/image/jpeg_header.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "server/image/decode.h"
#include "server/image/header.h"
#include "tests/image/file_parts.h"

namespace patchserve {
namespace {

using ::testing::HasSubstr;

constexpr uint8_t kApp1 = 0xe1, kComment = 0xfe;
const File kScan = {0xff, 0xda, 0, 6, 1, 1, 0, 0, 0x3f, 0};  // refines nothing

File Repeated(const File& part, int times) {
  File result;
  for (int i = 0; i < times; ++i) result.insert(result.end(), part.begin(), part.end());
  return result;
}

// `parts` before the image's end.
File WithScans(const File& parts) {
  File file = ReadTestImage("progressive.jpg");
  file.insert(file.end() - 2, parts.begin(), parts.end());
  return file;
}

absl::StatusOr<Image> Decoded(const File& file) {
  return Decode(file, ReadHeader(file, {}).value());
}

TEST(JpegHeaderTest, APhotoHasFewScans) {
  EXPECT_EQ(CountJpegScans(ReadTestImage("chelsea.jpg")), 1);
  EXPECT_EQ(CountJpegScans(ReadTestImage("progressive.jpg")), 10);
  EXPECT_EQ(CountJpegScans(ReadTestImage("restarts.jpg")), 1);
}

// A phone's video, an archive, more pictures.
TEST(JpegHeaderTest, WhatFollowsTheEndOfAJpegIsNotRead) {
  const File photo = ReadTestImage("progressive.jpg");
  for (const File& tail : {Repeated(kScan, 500), Repeated(photo, 50), Repeated({0xff}, 1000)}) {
    const File file = Joined({photo, tail});
    EXPECT_EQ(CountJpegScans(file), 10);
    EXPECT_EQ(Sha256(Decoded(file).value()), Sha256(DecodeTestImage("progressive.jpg")));
  }
}

TEST(JpegHeaderTest, WhatSegmentsHoldIsNotCounted) {
  const File photo = ReadTestImage("progressive.jpg");
  for (uint8_t marker : {kComment, kApp1, uint8_t{0xe2}, uint8_t{0xef}}) {
    const File file = JpegWith(photo, JpegSegment(marker, Repeated(kScan, 500)));
    EXPECT_EQ(CountJpegScans(file), 10);
    EXPECT_EQ(Sha256(Decoded(file).value()), Sha256(DecodeTestImage("progressive.jpg")));
  }
  EXPECT_EQ(CountJpegScans(WithScans(JpegSegment(kComment, Repeated(kScan, 500)))), 10);
}

TEST(JpegHeaderTest, AJpegThatRepeatsItsScansIsRefusedHoweverItsMarkersAreArranged) {
  const std::vector<File> between = {
      {},
      {0xff, 0xff, 0xff},        // fill bytes, the last one the scan's
      {0x12, 0xff, 0x00, 0x34},  // garbage
      {0xff, 0xd3},              // a restart marker
      {0xff, kComment, 0, 0},    // lengths that don't count themselves
      {0xff, kApp1, 0, 1},
      JpegSegment(kComment, {}),
      JpegSegment(0xdc, {0, 9}),  // a number of lines
      JpegSegment(kApp1, File(65533, 0xff)),
  };
  for (const File& part : between) {
    const File file = WithScans(Repeated(Joined({part, kScan}), 200));
    EXPECT_EQ(CountJpegScans(file), 210);
    EXPECT_THAT(std::string(Decoded(file).status().message()), HasSubstr("scans, more than"));
  }
}

// libjpeg writes 18 of four components.
TEST(JpegHeaderTest, ALargeJpegMayHaveAsManyScansAsEncodersWriteAndFewMore) {
  const auto answer = [](int more) {
    const File file = WithScans(Repeated(kScan, more));  // of 10
    ImageInfo info = ReadHeader(file, {}).value();
    info.width = 8192;
    info.height = 6144;
    return std::string(Decode(file, info).status().message());
  };
  EXPECT_THAT(answer(8), HasSubstr("damaged"));  // by its real size
  EXPECT_EQ(answer(10), "JPEG file of 8192x6144 pixels has 20 scans, more than 19");
}

// libjpeg looks for the restart marker that it misses behind a reserved one, wherever a
// length would end.
TEST(JpegHeaderTest, AReservedMarkerHidesNoScan) {
  for (uint8_t marker : {0x01, 0x02, 0x4f, 0xbf}) {
    EXPECT_EQ(CountJpegScans(WithScans(Joined({{0xff, marker, 0, 32}, kScan}))), 11);
  }
}

TEST(JpegHeaderTest, FillBytesAndGarbageBetweenMarkersAreSkipped) {
  const File file = JpegWith(ReadTestImage("420.jpg"), {0xff, 0xff, 0xff, 0x00, 0x12});
  EXPECT_EQ(ReadJpegHeader(file).width, 37);
}

}  // namespace
}  // namespace patchserve
