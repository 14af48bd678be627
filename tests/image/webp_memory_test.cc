#include "server/image/webp_memory.h"

#include <gmock/gmock.h>

#include "server/image/decode.h"
#include "server/image/header.h"
#include "tests/image/test_images.h"
#include "tests/image/webp_of_groups.h"

// As libwebp calls them.
extern "C" {
void* WebPSafeMalloc(uint64_t count, size_t size);
void* WebPSafeCalloc(uint64_t count, size_t size);
void WebPSafeFree(void* memory);
}

namespace patchserve {
namespace {

absl::StatusOr<Image> Decoded(const File& file) {
  return Decode(file, ReadHeader(file, {}).value());
}

TEST(WebPMemoryTest, APictureOfMoreGroupsOfCodesThanEncodersWriteIsDecoded) {
  const auto image = Decoded(WebPOfGroups(512, 300));
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(Pixels(*image), std::vector<uint8_t>(3 * 512 * 512));
}

// Their tables would take 31 MB and 193, of 786 kB of pixels.
TEST(WebPMemoryTest, APictureOfManyMoreGroupsOfCodesIsRefused) {
  for (int groups : {2600, 16384}) {
    const absl::Status refused = Decoded(WebPOfGroups(512, groups)).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(refused.message()), testing::HasSubstr("too many tables"));
  }
}

TEST(WebPMemoryTest, TheLimitIsForWhatIsHeldWithinItsLife) {
  {
    const WebPMemoryLimit limit(10'000);
    EXPECT_EQ(WebPSafeMalloc(1, 10'001), nullptr);
    EXPECT_EQ(WebPSafeCalloc(uint64_t{1} << 63, 4), nullptr);
    void* const most = WebPSafeCalloc(10, 1000);
    ASSERT_NE(most, nullptr);
    EXPECT_EQ(WebPSafeMalloc(1, 1000), nullptr);
    WebPSafeFree(most);
    void* const again = WebPSafeMalloc(1, 10'000);
    EXPECT_NE(again, nullptr);
    WebPSafeFree(again);
  }
  void* const more = WebPSafeMalloc(1, 20'000);
  EXPECT_NE(more, nullptr);
  WebPSafeFree(more);
}

}  // namespace
}  // namespace patchserve
