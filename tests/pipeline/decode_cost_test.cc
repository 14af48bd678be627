#include "server/pipeline/decode_cost.h"

#include <gtest/gtest.h>

namespace patchserve {
namespace {

const ImageInfo kJpeg{.format = ImageFormat::kJpeg, .width = 1000, .height = 1000};
const ImageInfo kPng{.format = ImageFormat::kPng, .width = 1000, .height = 1000};

TEST(DecodeCostTest, LearnsEachFormatsTimeByThePixel) {
  DecodeCost cost;
  const absl::Duration png = cost.Expected(kPng);
  for (int i = 0; i < 100; ++i) cost.Observe(kJpeg, absl::Milliseconds(4));
  EXPECT_NEAR(absl::ToDoubleMilliseconds(cost.Expected(kJpeg)), 4, 0.1);
  ImageInfo large = kJpeg;
  large.width *= 3;
  EXPECT_NEAR(absl::ToDoubleMilliseconds(cost.Expected(large)), 12, 0.3);
  EXPECT_EQ(cost.Expected(kPng), png);
}

TEST(DecodeCostTest, AJpegThatIsShrunkHasATimeOfItsOwn) {
  DecodeCost cost;
  const absl::Duration whole = cost.Expected(kJpeg);
  ImageInfo shrunk = kJpeg;
  shrunk.shrink = 4;
  for (int i = 0; i < 100; ++i) cost.Observe(shrunk, absl::Milliseconds(2));
  EXPECT_NEAR(absl::ToDoubleMilliseconds(cost.Expected(shrunk)), 2, 0.1);
  EXPECT_EQ(cost.Expected(kJpeg), whole);
}

TEST(DecodeCostTest, OneThreadThatWasHeldUpCountsLittle) {
  DecodeCost cost;
  const absl::Duration before = cost.Expected(kJpeg);
  cost.Observe(kJpeg, absl::Hours(1));
  EXPECT_LT(cost.Expected(kJpeg), 1.5 * before);
}

}  // namespace
}  // namespace patchserve
