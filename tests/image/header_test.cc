#include "server/image/header.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <initializer_list>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "tests/image/file_parts.h"

namespace patchserve {
namespace {

using namespace std::string_view_literals;
using ::testing::HasSubstr;

constexpr uint8_t kColourScan[] = {0xff, 0xda, 0, 12, 3};  // of three components

std::string Refusal(const File& file, const ImageLimits& limits = {}) {
  const auto info = ReadHeader(file, limits);
  EXPECT_EQ(info.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(info.status().message());
}

// What IHDR says is written over; nobody looks at its checksum before decoding.
File PngOfSize(uint32_t width, uint32_t height) {
  File file = ReadTestImage("rgb.png");
  for (int i = 0; i < 4; ++i) {
    file[16 + i] = width >> (24 - 8 * i);
    file[20 + i] = height >> (24 - 8 * i);
  }
  return file;
}

TEST(HeaderTest, SizeFormatAndOrientationOfEveryTestImageAreRead) {
  for (const auto& row : ReadTable(TestImagePath("decode.tsv"))) {
    const auto info = ReadHeader(ReadTestImage(row[0]), {});
    ASSERT_TRUE(info.ok()) << row[0] << ": " << info.status();
    EXPECT_EQ(std::to_string(info->width), row[1]) << row[0];
    EXPECT_EQ(std::to_string(info->height), row[2]) << row[0];
    EXPECT_EQ(std::to_string(info->orientation), row[3]) << row[0];
  }
}

TEST(HeaderTest, TheFormatIsFoundByTheBytes) {
  EXPECT_EQ(ReadHeader(ReadTestImage("420.jpg"), {})->format, ImageFormat::kJpeg);
  EXPECT_EQ(ReadHeader(ReadTestImage("rgb.png"), {})->format, ImageFormat::kPng);
  EXPECT_EQ(ReadHeader(ReadTestImage("lossy.webp"), {})->format, ImageFormat::kWebP);
  EXPECT_EQ(ReadHeader(ReadTestImage("bits24.bmp"), {})->format, ImageFormat::kBmp);
}

TEST(HeaderTest, AnEmptyFileIsRefused) { EXPECT_EQ(Refusal({}), "image is empty"); }

TEST(HeaderTest, OtherFormatsAreRefusedWithTheAcceptedOnes) {
  EXPECT_EQ(Refusal(Text("hello")), "image is not a JPEG, PNG, WebP or BMP file");
  EXPECT_EQ(Refusal(Text("GIF89a\1\0\1\0\0\0\0;")),
            "image is a GIF file, not a JPEG, PNG, WebP or BMP file");
  EXPECT_THAT(Refusal(Text("II*\0 TIFF"sv)), HasSubstr("is a TIFF or raw file, not a JPEG"));
  EXPECT_THAT(Refusal(Text("\0\0\0\x18"
                           "ftypheic\0\0\0\0"sv)),
              HasSubstr("is a HEIC file, not a JPEG"));
  EXPECT_THAT(Refusal(Text("\0\0\0\x18"
                           "ftypmif1\0\0\0\0"sv)),
              HasSubstr("is a HEIC file, not a JPEG"));
  EXPECT_THAT(Refusal(Text("\0\0\0\x1c"
                           "ftypavif\0\0\0\0"sv)),
              HasSubstr("is an AVIF file, not a JPEG"));
}

TEST(HeaderTest, Base64IsNamed) {
  for (const char* name : {"420.jpg", "rgb.png", "lossy.webp", "bits24.bmp"}) {
    const File file = ReadTestImage(name);
    std::string text;
    absl::Base64Escape({reinterpret_cast<const char*>(file.data()), file.size()}, &text);
    for (const std::string before : {"", "\n", "\"", "b'", "data:image/jpeg;base64,"}) {
      EXPECT_THAT(Refusal(Text(before + text)), HasSubstr("is base64 text")) << before << name;
    }
  }
}

// As the Open Inference Protocol wants it in raw contents, and nobody else.
TEST(HeaderTest, ALengthBeforeTheFileIsNamed) {
  EXPECT_THAT(Refusal(Joined({{9, 9, 0, 0}, ReadTestImage("420.jpg")})),
              HasSubstr("is a JPEG file behind a length of four bytes"));
}

TEST(HeaderTest, AHugePictureIsRefusedBeforeItIsDecoded) {
  EXPECT_EQ(Refusal(PngOfSize(60000, 60000)), "image is 60000x60000, more than 52000000 pixels");
  EXPECT_THAT(Refusal(PngOfSize(0xffffffff, 0xffffffff)), HasSubstr("more than 52000000 pixels"));
}

// From 24 on: bit depth, colour type, compression, filters, interlacing.
File PngOfLayout(std::initializer_list<uint8_t> layout) {
  File file = PngOfSize(7000, 7000);
  std::copy(layout.begin(), layout.end(), file.begin() + 24);
  return file;
}

// By a depth of 240 bits the picture would be charged, and unpacked, with 5.9 GB.
TEST(HeaderTest, APngIsRefusedByItsHeaderUnlessThereAreSuchPixels) {
  const std::set<std::pair<int, int>> kLayouts = {{1, 0}, {2, 0},  {4, 0},  {8, 0}, {16, 0},
                                                  {8, 2}, {16, 2}, {1, 3},  {2, 3}, {4, 3},
                                                  {8, 3}, {8, 4},  {16, 4}, {8, 6}, {16, 6}};
  for (int depth = 0; depth < 256; ++depth) {
    for (int type = 0; type < 256; ++type) {
      const File file = PngOfLayout({uint8_t(depth), uint8_t(type)});
      EXPECT_EQ(ReadHeader(file, {}).ok(), kLayouts.contains({depth, type}))
          << depth << " " << type;
    }
  }
  EXPECT_THAT(Refusal(PngOfLayout({240, 6})), HasSubstr("damaged"));
  EXPECT_THAT(Refusal(PngOfLayout({8, 2, 1})), HasSubstr("damaged"));
  EXPECT_THAT(Refusal(PngOfLayout({8, 2, 0, 1})), HasSubstr("damaged"));
  EXPECT_THAT(Refusal(PngOfLayout({8, 2, 0, 0, 2})), HasSubstr("damaged"));
  EXPECT_TRUE(ReadHeader(PngOfLayout({8, 2, 0, 0, 1}), {}).ok());
}

// Of 255 components a progressive one would be charged with 513 bytes a pixel.
TEST(HeaderTest, AJpegIsRefusedByItsHeaderUnlessThereAreSuchPixels) {
  const File whole = ReadTestImage("progressive.jpg");
  constexpr uint8_t kFrame[] = {0xff, 0xc2};
  const auto frame =
      std::search(whole.begin(), whole.end(), std::begin(kFrame), std::end(kFrame)) - whole.begin();
  const auto with = [&](int at, uint8_t value) {
    File file = whole;
    file[frame + at] = value;
    return file;
  };
  EXPECT_EQ(Refusal(with(9, 255)),
            "JPEG file has 255 components of 8 bits, not 1, 3 or 4 of 8 bits");
  EXPECT_EQ(Refusal(with(9, 2)), "JPEG file has 2 components of 8 bits, not 1, 3 or 4 of 8 bits");
  EXPECT_EQ(Refusal(with(4, 12)), "JPEG file has 3 components of 12 bits, not 1, 3 or 4 of 8 bits");
}

// 50 megapixels as cameras count them.
TEST(HeaderTest, TheLargestPhotosOfPhonesAreAllowed) {
  EXPECT_TRUE(ReadHeader(PngOfSize(8160, 6144), {}).ok());
  EXPECT_TRUE(ReadHeader(PngOfSize(8192, 6144), {}).ok());
  EXPECT_TRUE(ReadHeader(PngOfSize(8272, 6200), {}).ok());
}

TEST(HeaderTest, AVeryLongSideIsRefused) {
  EXPECT_EQ(Refusal(PngOfSize(65536, 1)), "image is 65536x1, a side may have 65535 pixels");
  EXPECT_TRUE(ReadHeader(PngOfSize(65535, 1), {}).ok());
}

TEST(HeaderTest, ThePixelLimitItselfIsAllowed) {
  EXPECT_TRUE(ReadHeader(PngOfSize(100, 100), {.max_pixels = 10000}).ok());
  EXPECT_THAT(Refusal(PngOfSize(100, 101), {.max_pixels = 10000}), HasSubstr("100x101"));
}

TEST(HeaderTest, TooManyBytesAreRefused) {
  EXPECT_EQ(Refusal(Text("0123456789"), {.max_bytes = 9}), "image has 10 bytes, more than 9");
}

TEST(HeaderTest, ASideOfZeroIsRefused) {
  EXPECT_THAT(Refusal(PngOfSize(0, 5)), HasSubstr("give no size"));
  EXPECT_THAT(Refusal(PngOfSize(5, 0)), HasSubstr("give no size"));
}

TEST(HeaderTest, NoCutOffFileIsReadBeyondItsEnd) {
  for (const char* name : {"orientation6.jpg", "orientation6.png", "orientation8.webp",
                           "lossy.webp", "animated.png", "bits16-565.bmp", "core24.bmp"}) {
    const File whole = ReadTestImage(name);
    for (size_t length = 0; length < whole.size(); ++length) {
      // A copy of its own, so that a sanitizer sees the end.
      const File cut(whole.begin(), whole.begin() + length);
      const auto info = ReadHeader(cut, {});
      EXPECT_TRUE(length >= 18 || !info.ok()) << name << " " << length;
    }
  }
}

TEST(HeaderTest, ExifAfterTheJpegFrameHeaderIsFound) {
  const File with_exif = ReadTestImage("orientation6.jpg");
  // SOI, then APP0 and APP1 in some order; Pillow writes Exif as the only APP1.
  const File tail = ReadTestImage("420.jpg");
  const auto app1 = std::search(with_exif.begin(), with_exif.end(), "Exif", "Exif" + 4) - 4;
  const size_t length = 2 + (app1[2] << 8 | app1[3]);
  const uint8_t scan[] = {0xff, 0xda};
  File file = tail;
  file.insert(std::search(file.begin(), file.end(), scan, scan + 2), app1, app1 + length);
  EXPECT_EQ(ReadHeader(file, {})->orientation, 6);
}

// Of what codecs hold, the worst case is what counts: conformance/robustness.py measures it.
TEST(HeaderTest, TheMemoryThatDecodingTakesIsKnownBefore) {
  const auto bytes = [](const char* file) {
    return ReadHeader(ReadTestImage(file), {}).value().decoding_bytes_a_pixel;
  };
  EXPECT_EQ(bytes("444.jpg"), 3);
  EXPECT_EQ(bytes("progressive.jpg"), 9);
  EXPECT_EQ(bytes("cmyk.jpg"), 3);
  EXPECT_EQ(bytes("orientation6.jpg"), 6);
  EXPECT_EQ(bytes("rgb.png"), 6);
  EXPECT_EQ(bytes("gray16.png"), 7);
  EXPECT_EQ(bytes("lossy.webp"), 3);
  EXPECT_EQ(bytes("lossless-alpha.webp"), 11);
  EXPECT_EQ(bytes("bits8.bmp"), 4);
  const ImageInfo info = ReadHeader(ReadTestImage("progressive.jpg"), {}).value();
  EXPECT_EQ(info.decoding_bytes(), int64_t{9} * info.width * info.height);
}

// A scan a component isn't progressive, but as much is held for it.
TEST(HeaderTest, AJpegWithAScanAComponentTakesAsMuchAsAProgressiveOne) {
  File file = ReadTestImage("444.jpg");
  const auto scan =
      std::search(file.begin(), file.end(), std::begin(kColourScan), std::end(kColourScan));
  ASSERT_NE(scan, file.end());
  scan[4] = 1;
  EXPECT_EQ(ReadHeader(file, {}).value().decoding_bytes_a_pixel, 9);
}

}  // namespace
}  // namespace patchserve
