#include "server/hub/model_id.h"

#include <random>

#include "server/hub/cache.h"
#include "tests/model/status_matchers.h"

namespace patchserve {
namespace {

using testing::HasSubstr;

TEST(HubModelIdTest, ARepositoryIsAtMainUnlessARevisionIsNamed) {
  const HubModelId plain = ParseHubModelId("hf://timm/vit_tiny.augreg_in1k").value();
  EXPECT_EQ(plain.repository, "timm/vit_tiny.augreg_in1k");
  EXPECT_EQ(plain.name(), "vit_tiny.augreg_in1k");
  EXPECT_EQ(plain.revision, "main");
  EXPECT_EQ(ParseHubModelId("hf://a/b@v1.0")->revision, "v1.0");
  EXPECT_EQ(ParseHubModelId("hf://a/b@refs/pr/7")->revision, "refs/pr/7");
}

TEST(HubModelIdTest, WhatIsNoModelIsRefusedWithAnExample) {
  for (const char* text :
       {"hf://",         "hf://timm",       "hf:///b",         "hf://a/",      "hf://a/b/c",
        "hf://a/b@",     "hf://../b",       "hf://a/..",       "hf://a/.b",    "hf://a/b.",
        "hf://-a/b",     "hf://a--b/c",     "hf://a/b..c",     "hf://a/b.git", "hf://a/b c",
        "hf://a/b%2e",   "hf://a/b?x",      "hf://a/b#x",      "hf://a\\b/c",  "hf://a/b@..",
        "hf://a/b@../x", "hf://a/b@x/../y", "hf://a/b@/x",     "hf://a/b@x/",  "hf://a/b@x//y",
        "hf://a/b@.x",   "hf://a/b@x/.y",   "hf://a/b@x.lock", "hf://a/b@x.",  "hf://a/b@x y",
        "hf://a/b@x@y",  "hf://a/b@-x",     "hf://a/b@x~1",    "hf://a/b@x\n", "a/b"}) {
    EXPECT_THAT(ParseHubModelId(text),
                IsError(absl::StatusCode::kInvalidArgument, HasSubstr("such as hf://timm/")))
        << text;
  }
  EXPECT_FALSE(ParseHubModelId("hf://a/" + std::string(95, 'b')).ok());
  EXPECT_TRUE(ParseHubModelId("hf://a/" + std::string(94, 'b')).ok());
  EXPECT_FALSE(ParseHubModelId("hf://a/b@" + std::string(201, 'c')).ok());
}

TEST(HubModelIdTest, OnlyFortyLowerCaseDigitsAreACommit) {
  EXPECT_TRUE(IsCommit("0123456789abcdef0123456789abcdef01234567"));
  for (const char* text :
       {"", "main", "0123456789ABCDEF0123456789abcdef01234567",
        "0123456789abcdef0123456789abcdef0123456", "../3456789abcdef0123456789abcdef01234567"}) {
    EXPECT_FALSE(IsCommit(text)) << text;
  }
}

bool LiesIn(const std::filesystem::path& folder, const std::filesystem::path& path) {
  const std::string relative = path.lexically_normal().lexically_relative(folder);
  return !relative.empty() && relative != "." && relative.rfind("..", 0) != 0;
}

const std::string kCommit(40, '1');

// Whatever is taken for a model stays in its folder of the cache.
TEST(HubModelIdTest, NoNameLeavesTheCache) {
  std::mt19937 random(1);
  const std::string letters("ab.-_/@~%:+ \\\0\n", 15);
  int taken = 0;
  for (int i = 0; i < 300'000; ++i) {
    std::string text = "hf://";
    if (random() % 2 == 0) text += "a/b@";
    for (int length = random() % 9; length >= 0; --length) text += letters[random() % 15];
    const auto id = ParseHubModelId(text);
    if (!id.ok()) continue;
    ++taken;
    const HubCache cache("/cache", *id);
    const std::filesystem::path snapshot = cache.Snapshot(kCommit);
    const std::filesystem::path model = snapshot.parent_path().parent_path();
    ASSERT_TRUE(LiesIn("/cache", snapshot)) << text;
    ASSERT_EQ(model.parent_path(), "/cache") << text;
    ASSERT_TRUE(LiesIn(model, cache.Blob(kCommit))) << text;
    ASSERT_TRUE(LiesIn(model / "refs", cache.Ref())) << text;
    ASSERT_TRUE(LiesIn("/cache/.locks", cache.Lock(kCommit))) << text;
    ASSERT_EQ(text.find('\0'), text.npos);
  }
  EXPECT_GT(taken, 1000);
}

}  // namespace
}  // namespace patchserve
