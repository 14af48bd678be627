#include "server/model/shards.h"

#include "tests/model/status_matchers.h"

namespace patchserve {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

auto Refused(const std::string& part) {
  return IsError(absl::StatusCode::kInvalidArgument, HasSubstr(part));
}

TEST(ShardsTest, TensorsAreListedByTheirFile) {
  const auto shards = ParseShardsIndex(R"({
    "metadata": {"total_size": 12},
    "weight_map": {"c": "model-00002-of-00002.safetensors", "a": "model-00001-of-00002.safetensors",
                   "b": "model-00001-of-00002.safetensors"}})");
  ASSERT_TRUE(shards.ok()) << shards.status();
  EXPECT_THAT(*shards, ElementsAre(Pair("model-00001-of-00002.safetensors", ElementsAre("a", "b")),
                                   Pair("model-00002-of-00002.safetensors", ElementsAre("c"))));
}

TEST(ShardsTest, WhatIsNoIndexIsRefused) {
  EXPECT_THAT(ParseShardsIndex("<html>"), Refused("not valid JSON"));
  EXPECT_THAT(ParseShardsIndex("{}"), Refused("weight_map is missing"));
  EXPECT_THAT(ParseShardsIndex(R"({"weight_map": {}})"), Refused("weight_map is missing or empty"));
  EXPECT_THAT(ParseShardsIndex(R"({"weight_map": []})"), Refused("expected an object"));
  EXPECT_THAT(ParseShardsIndex(R"({"weight_map": {"a": 1}})"), Refused("weight_map has \"1\""));
}

// Where a shard lies is for the index to say, but never outside of its folder.
TEST(ShardsTest, AShardIsAPlainFileBesideTheIndex) {
  for (const std::string name :
       {"../a.safetensors", "/etc/a.safetensors", "b/a.safetensors", "b\\\\a.safetensors",
        ".a.safetensors", "a.bin", "", "a\\u0000.safetensors", "..", "a b.safetensors"}) {
    EXPECT_THAT(ParseShardsIndex("{\"weight_map\": {\"t\": \"" + name + "\"}}"),
                Refused("expected the name of a .safetensors file"))
        << name;
  }
  EXPECT_THAT(
      ParseShardsIndex("{\"weight_map\": {\"t\": \"" + std::string(300, 'a') + ".safetensors\"}}"),
      Refused("expected the name"));
}

TEST(ShardsTest, ThereMayBeAThousandFiles) {
  std::string map;
  for (int i = 0; i <= 1000; ++i) {
    const std::string number = std::to_string(i);
    map += (i == 0 ? "\"t" : ",\"t") + number + "\":\"" + number + ".safetensors\"";
    if (i < 999) continue;
    EXPECT_EQ(ParseShardsIndex("{\"weight_map\":{" + map + "}}").ok(), i == 999) << i;
  }
}

}  // namespace
}  // namespace patchserve
