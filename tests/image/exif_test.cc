#include "server/image/exif.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <utility>
#include <vector>

namespace patchserve {
namespace {

using ::testing::Eq;
using ::testing::Optional;

using Bytes = std::vector<uint8_t>;

// One directory with one entry, the orientation, whose values stand at 26 if they need more
// than 4 bytes.
Bytes LittleEndian(uint8_t type, uint8_t count, const Bytes& values) {
  Bytes block = {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, type, 0, count, 0, 0, 0};
  const Bytes at = values.size() > 4 ? Bytes{26, 0, 0, 0} : values;
  block.insert(block.end(), at.begin(), at.end());
  block.resize(26);
  if (values.size() > 4) block.insert(block.end(), values.begin(), values.end());
  return block;
}

Bytes BigEndian(uint8_t type, const Bytes& values) {
  Bytes block = {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, type, 0, 0, 0, 1};
  const Bytes at = values.size() > 4 ? Bytes{0, 0, 0, 26} : values;
  block.insert(block.end(), at.begin(), at.end());
  block.resize(26);
  if (values.size() > 4) block.insert(block.end(), values.begin(), values.end());
  return block;
}

Bytes Short(uint8_t orientation) { return LittleEndian(3, 1, {orientation, 0}); }

TEST(ExifTest, EveryTypeOfNumberIsReadInBothByteOrders) {
  EXPECT_THAT(ExifOrientation(Short(6)), Optional(6));
  EXPECT_THAT(ExifOrientation(BigEndian(3, {0, 8})), Optional(8));
  for (uint8_t type : {4, 9, 13}) {  // LONG, SLONG, IFD
    EXPECT_THAT(ExifOrientation(LittleEndian(type, 1, {6, 0, 0, 0})), Optional(6)) << int{type};
    EXPECT_THAT(ExifOrientation(BigEndian(type, {0, 0, 0, 8})), Optional(8)) << int{type};
  }
  EXPECT_THAT(ExifOrientation(LittleEndian(8, 1, {6, 0})), Optional(6));  // SSHORT
  EXPECT_THAT(ExifOrientation(BigEndian(8, {0, 8})), Optional(8));
  EXPECT_THAT(ExifOrientation(LittleEndian(6, 1, {3})), Optional(3));  // SBYTE
  EXPECT_THAT(ExifOrientation(LittleEndian(16, 1, {3, 0, 0, 0, 0, 0, 0, 0})), Optional(3));
  EXPECT_THAT(ExifOrientation(BigEndian(16, {0, 0, 0, 0, 0, 0, 0, 3})), Optional(3));
  EXPECT_THAT(ExifOrientation(BigEndian(5, {0, 0, 0, 12, 0, 0, 0, 2})), Optional(6));  // RATIONAL
  EXPECT_THAT(ExifOrientation(BigEndian(10, {255, 255, 255, 250, 255, 255, 255, 255})),
              Optional(6));
  EXPECT_THAT(ExifOrientation(BigEndian(11, {0x40, 0xc0, 0, 0})), Optional(6));  // FLOAT
  EXPECT_THAT(ExifOrientation(BigEndian(12, {0x40, 0x18, 0, 0, 0, 0, 0, 0})), Optional(6));
}

TEST(ExifTest, TheFirstOfSeveralNumbersCounts) {
  EXPECT_THAT(ExifOrientation(LittleEndian(3, 2, {6, 0, 3, 0})), Optional(6));
  EXPECT_THAT(ExifOrientation(LittleEndian(4, 2, {6, 0, 0, 0, 3, 0, 0, 0})), Optional(6));
}

TEST(ExifTest, AnotherNumberIsUpright) {
  for (uint8_t value : {0, 9, 255}) EXPECT_THAT(ExifOrientation(Short(value)), Optional(1));
  EXPECT_THAT(ExifOrientation(LittleEndian(4, 1, {6, 0, 1, 0})), Optional(1));
  EXPECT_THAT(ExifOrientation(LittleEndian(9, 1, {255, 255, 255, 255})), Optional(1));
  EXPECT_THAT(ExifOrientation(LittleEndian(5, 1, {6, 0, 0, 0, 0, 0, 0, 0})), Optional(1));
}

TEST(ExifTest, WhatIsNoNumberIsUpright) {
  for (uint8_t type : {1, 2, 7}) {
    EXPECT_THAT(ExifOrientation(LittleEndian(type, 1, {6})), Optional(1)) << int{type};
  }
}

TEST(ExifTest, NoNumberAndAnUnknownTypeSayNothing) {
  EXPECT_THAT(ExifOrientation(LittleEndian(3, 0, {6, 0})), Eq(std::nullopt));
  EXPECT_THAT(ExifOrientation(LittleEndian(99, 1, {6, 0})), Eq(std::nullopt));
  EXPECT_THAT(ExifOrientation({}), Eq(std::nullopt));
}

TEST(ExifTest, ThePrefixMayBeMissingOrDoubled) {
  const Bytes prefix = {'E', 'x', 'i', 'f', 0, 0};
  Bytes block = Short(6);
  for (int i = 0; i < 2; ++i) {
    block.insert(block.begin(), prefix.begin(), prefix.end());
    EXPECT_THAT(ExifOrientation(block), Optional(6));
  }
  EXPECT_THAT(ExifOrientation(prefix), Eq(std::nullopt));
}

TEST(ExifTest, TheMagicNumberMayBeInTheOtherByteOrder) {
  Bytes block = Short(6);
  std::swap(block[2], block[3]);
  EXPECT_THAT(ExifOrientation(block), Optional(6));
}

TEST(ExifTest, WhatIsNoTiffIsUpright) {
  EXPECT_THAT(ExifOrientation(Bytes{'I', 'M', 42, 0, 8, 0, 0, 0}), Optional(1));
  EXPECT_THAT(ExifOrientation(Bytes{'I', 'I', 43, 0, 8, 0, 0, 0}), Optional(1));
}

TEST(ExifTest, NoCutOffBlockIsReadBeyondItsEnd) {
  for (const Bytes& whole :
       {Short(6), BigEndian(4, {0, 0, 0, 6}), LittleEndian(16, 1, {6, 0, 0, 0, 0, 0, 0, 0})}) {
    for (size_t length = 1; length < 22; ++length) {
      const Bytes cut(whole.begin(), whole.begin() + length);
      EXPECT_EQ(ExifOrientation(cut).value_or(1), 1) << length;
    }
  }
}

TEST(ExifTest, ADirectoryFarBeyondTheEndSaysNothing) {
  Bytes far = Short(6);
  far[4] = far[5] = far[6] = far[7] = 0xff;
  EXPECT_THAT(ExifOrientation(far), Eq(std::nullopt));
}

}  // namespace
}  // namespace patchserve
