#include "server/hub/digest.h"

#include <string>

#include "gtest/gtest.h"

namespace patchserve {
namespace {

TEST(DigestTest, LargeFilesHaveSha256) {
  Digest digest(std::string(64, '0'), 3);
  digest.Add("a");
  digest.Add("bc");
  // printf abc | sha256sum
  EXPECT_EQ(digest.Finish(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(DigestTest, SmallFilesHaveGitsHash) {
  Digest digest(std::string(40, '0'), 3);
  digest.Add("abc");
  // printf abc | git hash-object --stdin
  EXPECT_EQ(digest.Finish(), "f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f");
}

TEST(DigestTest, NothingElseIsADigest) {
  EXPECT_TRUE(IsDigest(std::string(40, 'a')));
  EXPECT_TRUE(IsDigest(std::string(64, '0')));
  for (const std::string& text :
       {std::string(), std::string(63, 'a'), std::string(40, 'A'), "../" + std::string(37, 'a'),
        std::string(39, 'a') + "/", std::string(40, '\0')}) {
    EXPECT_FALSE(IsDigest(text)) << text;
  }
}

}  // namespace
}  // namespace patchserve
