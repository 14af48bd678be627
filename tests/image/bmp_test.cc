#include "server/image/bmp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/image/header.h"
#include "tests/image/file_parts.h"

namespace patchserve {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int kHeaders[] = {40, 52, 56, 64, 108, 124};
const std::vector<uint32_t> k565 = {0xf800, 0x7e0, 0x1f}, k555 = {0x7c00, 0x3e0, 0x1f};

// How a file is written; the sizes are those of its parts unless stated.
struct Parts {
  int header = 40;
  int width = 2, height = 1;
  int bits = 24;
  int compression = 0;
  std::vector<uint32_t> masks;
  int colors = 0;
  File palette;
  std::optional<uint32_t> offset;
};

void Append(File& file, uint32_t value, int bytes = 4) {
  for (int i = 0; i < bytes; ++i) file.push_back(value >> (8 * i));
}

File Bmp(const Parts& parts, const File& pixels) {
  File info;
  Append(info, parts.header);
  if (parts.header == 12) {
    for (int value : {parts.width, parts.height, 1, parts.bits}) Append(info, value, 2);
  } else {
    Append(info, parts.width);
    Append(info, parts.height);
    Append(info, 1, 2);
    Append(info, parts.bits, 2);
    for (int value : {parts.compression, 0, 0, 0, parts.colors, 0}) Append(info, value);
    for (uint32_t mask : parts.masks) Append(info, mask);
    if (std::cmp_less(info.size(), parts.header)) info.resize(parts.header);
  }
  info.insert(info.end(), parts.palette.begin(), parts.palette.end());
  File file = {'B', 'M'};
  Append(file, 0);
  Append(file, 0);
  Append(file, parts.offset.value_or(14 + info.size()));
  return Joined({file, info, pixels});
}

absl::StatusOr<Image> Decoded(const File& file) {
  return DecodeBmp(file, ReadHeader(file, {}).value());
}
std::vector<uint8_t> PixelsOf(const File& file) { return Pixels(Decoded(file).value()); }
std::string Refusal(const File& file) { return std::string(Decoded(file).status().message()); }

TEST(BmpTest, SixteenBitsAreScaledToEight) {
  const File red_and_middle = {0x00, 0xf8, 0x10, 0x84};  // 11111 000000 00000, 10000 100000 10000
  for (int header : kHeaders) {
    EXPECT_THAT(PixelsOf(Bmp({.header = header, .bits = 16, .compression = 3, .masks = k565},
                             red_and_middle)),
                ElementsAre(255, 0, 0, 131, 129, 131));
    EXPECT_THAT(PixelsOf(Bmp({.header = header, .bits = 16, .compression = 3, .masks = k555},
                             {0x00, 0x7c, 0x10, 0x42})),
                ElementsAre(255, 0, 0, 131, 131, 131));
    EXPECT_THAT(PixelsOf(Bmp({.header = header, .bits = 16}, {0x00, 0x7c, 0x10, 0x42})),
                ElementsAre(255, 0, 0, 131, 131, 131));
  }
}

TEST(BmpTest, ThirtyTwoBitsComeInTheOrdersThatPillowKnows) {
  const File pixels = {1, 2, 3, 4, 5, 6, 7, 8};
  const auto with = [&](std::vector<uint32_t> masks) {
    return Bmp({.header = 108, .bits = 32, .compression = 3, .masks = std::move(masks)}, pixels);
  };
  EXPECT_THAT(PixelsOf(Bmp({.bits = 32}, pixels)), ElementsAre(3, 2, 1, 7, 6, 5));
  EXPECT_THAT(PixelsOf(with({0, 0, 0, 0})), ElementsAre(3, 2, 1, 7, 6, 5));
  EXPECT_THAT(PixelsOf(with({0xff0000, 0xff00, 0xff, 0xff000000})), ElementsAre(3, 2, 1, 7, 6, 5));
  EXPECT_THAT(PixelsOf(with({0xff, 0xff00, 0xff0000, 0xff000000})), ElementsAre(1, 2, 3, 5, 6, 7));
  EXPECT_THAT(PixelsOf(with({0xff000000, 0xff0000, 0xff00, 0xff})), ElementsAre(4, 3, 2, 8, 7, 6));
  EXPECT_THAT(PixelsOf(with({0xff000000, 0xff00, 0xff, 0})), ElementsAre(4, 2, 1, 8, 6, 5));
}

TEST(BmpTest, AnotherOrderOfColoursIsRefused) {
  const std::vector<uint32_t> other = {0x3ff00000, 0xffc00, 0x3ff, 0};
  for (int bits : {16, 24, 32}) {
    EXPECT_THAT(
        Refusal(Bmp({.header = 108, .bits = bits, .compression = 3, .masks = other}, File(64))),
        HasSubstr("unusual order of colours"));
  }
}

const File kColors = {10, 20, 30, 0, 40, 50, 60, 0};  // blue, green, red, nothing

TEST(BmpTest, PixelsFollowThePaletteWhereTheirPlaceIsZeroOrThePalettes) {
  for (int header : kHeaders) {
    for (std::optional<uint32_t> offset : {std::optional<uint32_t>(), {0}, {14 + header}}) {
      const Parts parts{
          .header = header, .bits = 8, .colors = 2, .palette = kColors, .offset = offset};
      EXPECT_THAT(PixelsOf(Bmp(parts, {1, 0})), ElementsAre(60, 50, 40, 30, 20, 10));
    }
    EXPECT_THAT(PixelsOf(Bmp({.header = header, .offset = 0}, {1, 2, 3, 4, 5, 6})),
                ElementsAre(3, 2, 1, 6, 5, 4));
    EXPECT_THAT(
        PixelsOf(Bmp({.header = header, .bits = 16, .compression = 3, .masks = k565, .offset = 0},
                     {0, 0xf8, 0, 0})),
        ElementsAre(255, 0, 0, 0, 0, 0));
  }
  EXPECT_THAT(PixelsOf(Bmp({.header = 12, .offset = 0}, {1, 2, 3, 4, 5, 6})),
              ElementsAre(3, 2, 1, 6, 5, 4));
}

TEST(BmpTest, PixelsInsideOfTheHeadersAreRefused) {
  for (int bits : {1, 4, 8, 16, 24, 32}) {
    for (uint32_t offset : {1, 14, 40, 53}) {
      EXPECT_THAT(Refusal(Bmp({.bits = bits, .offset = offset}, File(4000))),
                  HasSubstr("inside of its headers"))
          << bits;
    }
  }
  // Between the masks, which stand behind a short header.
  EXPECT_THAT(Refusal(Bmp({.bits = 16, .compression = 3, .masks = k565, .offset = 54}, File(64))),
              HasSubstr("inside of its headers"));
}

TEST(BmpTest, PixelsBeyondTheEndAreRefused) {
  for (uint32_t offset : {61u, 0x7fffffffu, 0xffffffffu}) {
    EXPECT_THAT(Refusal(Bmp({.offset = offset}, File(8))), HasSubstr("too few pixels"));
  }
}

TEST(BmpTest, APaletteMayEndAtThePixelsIfTheyUseNoColourBehindThat) {
  const Parts unstated{.bits = 8, .palette = kColors};  // of 256, as the header has it
  EXPECT_THAT(PixelsOf(Bmp(unstated, {1, 1})), ElementsAre(60, 50, 40, 60, 50, 40));
  EXPECT_THAT(Refusal(Bmp(unstated, {1, 2})), HasSubstr("inside of its palette"));
}

TEST(BmpTest, AColourThatThePaletteLacksIsBlack) {
  EXPECT_THAT(PixelsOf(Bmp({.bits = 8, .colors = 2, .palette = kColors}, {7, 1})),
              ElementsAre(0, 0, 0, 60, 50, 40));
}

TEST(BmpTest, RunsAreUnpackedFromWhereverPixelsBegin) {
  const File runs = {2, 1, 1, 0, 0, 0, 0, 3, 0, 1, 0, 0, 0, 1};  // 1 1 0, then 0 1 0 and a filler
  for (std::optional<uint32_t> offset : {std::optional<uint32_t>(), {0}}) {
    const Parts parts{.width = 3,
                      .height = 2,
                      .bits = 8,
                      .compression = 1,
                      .colors = 2,
                      .palette = kColors,
                      .offset = offset};
    EXPECT_THAT(PixelsOf(Bmp(parts, runs)), ElementsAre(30, 20, 10, 60, 50, 40, 30, 20, 10, 60, 50,
                                                        40, 60, 50, 40, 30, 20, 10));
  }
}

TEST(BmpTest, RunsThatEndTooEarlyAreRefused) {
  const Parts parts{
      .width = 3, .height = 2, .bits = 8, .compression = 1, .colors = 2, .palette = kColors};
  for (const File& runs : {File{}, File{3, 1, 0, 1}, File{3, 1, 0, 5, 1, 1}, File{0, 2, 1}}) {
    EXPECT_THAT(Refusal(Bmp(parts, runs)), HasSubstr("too few pixels"));
  }
}

TEST(BmpTest, WhatPillowDoesNotKnowIsRefused) {
  EXPECT_THAT(Refusal(Bmp({.bits = 2}, File(64))), HasSubstr("2 bits a pixel"));
  EXPECT_THAT(Refusal(Bmp({.compression = 4}, File(64))), HasSubstr("compression 4"));
  EXPECT_THAT(Refusal(Bmp({.bits = 8, .colors = 300, .palette = File(1200)}, {0, 0})),
              HasSubstr("300 colours"));
  EXPECT_FALSE(ReadHeader(Bmp({.header = 60}, File(64)), {}).ok());
}

}  // namespace
}  // namespace patchserve
