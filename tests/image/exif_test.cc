#include "server/image/exif.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace patchserve {
namespace {

using Bytes = std::vector<uint8_t>;

// One directory with one entry: tag, type 3, count 1, value.
Bytes LittleEndian(uint8_t orientation, uint8_t type = 3) {
  return {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, type, 0, 1, 0, 0, 0, orientation, 0, 0, 0};
}

Bytes BigEndian(uint8_t orientation) {
  return {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0};
}

TEST(ExifTest, BothByteOrdersAreRead) {
  EXPECT_EQ(ExifOrientation(LittleEndian(6)), 6);
  EXPECT_EQ(ExifOrientation(BigEndian(8)), 8);
}

TEST(ExifTest, AnOrientationThatDoesNotExistIsUpright) {
  EXPECT_EQ(ExifOrientation(LittleEndian(0)), 1);
  EXPECT_EQ(ExifOrientation(LittleEndian(9)), 1);
}

TEST(ExifTest, AnOrientationOfAnotherTypeIsUpright) {
  EXPECT_EQ(ExifOrientation(LittleEndian(6, /*type=*/2)), 1);
}

TEST(ExifTest, WhatIsNoExifIsUpright) {
  EXPECT_EQ(ExifOrientation({}), 1);
  EXPECT_EQ(ExifOrientation(Bytes{'I', 'M', 42, 0, 8, 0, 0, 0}), 1);
}

TEST(ExifTest, EveryCutOffBlockIsUpright) {
  const Bytes whole = LittleEndian(6);
  for (size_t length = 0; length < whole.size(); ++length) {
    EXPECT_EQ(ExifOrientation(absl::MakeConstSpan(whole).first(length)), 1) << length;
  }
}

TEST(ExifTest, ADirectoryFarBeyondTheEndIsUpright) {
  Bytes far = LittleEndian(6);
  far[4] = far[5] = far[6] = far[7] = 0xff;
  EXPECT_EQ(ExifOrientation(far), 1);
}

}  // namespace
}  // namespace patchserve
