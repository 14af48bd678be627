#include "server/image/png_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/image/file_parts.h"

namespace patchserve {
namespace {

using namespace std::string_view_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string Unpacked(const File& packed) {
  std::string text;
  return std::string(
      Unpack({"key", true, {reinterpret_cast<const char*>(packed.data()), packed.size()}}, text));
}

TEST(PngTextTest, WhatTheFormatDoesNotAllowIsNoText) {
  for (std::string_view data : {""sv, "key"sv, "key\0"sv, "key\0\0"sv, "key\0\0\0en"sv,
                                "key\0\0\0en\0k"sv, "key\0\1\1\0\0x"sv}) {
    EXPECT_FALSE(ReadPngText("iTXt", Text(data))) << data.size();
  }
  EXPECT_FALSE(ReadPngText("zTXt", Text("key\0\1x"sv)));
  EXPECT_FALSE(ReadPngText("tIME", Text("key\0x"sv)));
}

TEST(PngTextTest, AMegabyteIsTheMostThatIsUnpacked) {
  constexpr size_t kMegabyte = 1 << 20;
  EXPECT_EQ(Unpacked(Deflated(File(kMegabyte, 'x'))).size(), kMegabyte);
  EXPECT_THAT(Unpacked(Deflated(File(kMegabyte + 1, 'x'))), IsEmpty());
  EXPECT_THAT(Unpacked(Deflated(File(100 * kMegabyte, 'x'))), IsEmpty());
}

TEST(PngTextTest, WhatIsDamagedUnpacksToNothing) {
  const File good = Deflated(Text("a text of some length, in some words"));
  EXPECT_EQ(Unpacked(good), "a text of some length, in some words");
  File bad = good;
  bad[8] ^= 0xff;
  EXPECT_THAT(Unpacked(bad), IsEmpty());
  EXPECT_THAT(Unpacked({}), IsEmpty());
}

TEST(PngTextTest, ARawProfileIsHexadecimalAfterThreeLines) {
  EXPECT_THAT(RawProfile("\nexif\n  3\n01a\nB c0\n"), ElementsAre(0x01, 0xab, 0xc0));
  for (std::string_view damaged : {"", "\n\n", "\n\n\n", "\n\n\n012", "\n\n\n01x2"}) {
    EXPECT_THAT(RawProfile(damaged), IsEmpty()) << damaged;
  }
}

}  // namespace
}  // namespace patchserve
