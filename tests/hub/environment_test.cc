#include "server/hub/environment.h"

#include <sys/fsuid.h>

#include <filesystem>
#include <map>

#include "tests/model/status_matchers.h"
#include "tests/temporary_folder.h"

namespace patchserve {
namespace {

using testing::HasSubstr;

absl::StatusOr<HubEnvironment> Read(const std::map<std::string, std::string>& variables) {
  return ReadHubEnvironment([&](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

TEST(HubEnvironmentTest, ByDefaultItIsThePublicHubAndTheHomesCache) {
  const auto hub = Read({{"HOME", "/home/me"}});
  EXPECT_EQ(hub->endpoint, "https://huggingface.co");
  EXPECT_EQ(hub->cache, "/home/me/.cache/huggingface/hub");
  EXPECT_EQ(hub->token, "");
  EXPECT_FALSE(hub->offline);
}

TEST(HubEnvironmentTest, TheCacheIsWhereHuggingfaceHubHasIt) {
  const std::map<std::string, std::string> home = {{"HOME", "/home/me"}};
  const auto with = [&](std::map<std::string, std::string> more) {
    more.insert(home.begin(), home.end());
    return Read(more)->cache.string();
  };
  EXPECT_EQ(with({{"XDG_CACHE_HOME", "/x"}}), "/x/huggingface/hub");
  EXPECT_EQ(with({{"XDG_CACHE_HOME", "/x"}, {"HF_HOME", "/h"}}), "/h/hub");
  EXPECT_EQ(with({{"HF_HOME", "~/h"}}), "/home/me/h/hub");
  EXPECT_EQ(with({{"HF_HOME", "/h"}, {"HUGGINGFACE_HUB_CACHE", "/old"}}), "/old");
  EXPECT_EQ(with({{"HUGGINGFACE_HUB_CACHE", "/old"}, {"HF_HUB_CACHE", "/c"}}), "/c");
}

TEST(HubEnvironmentTest, TheTokenIsTheVariablesOrElseTheFiles) {
  TemporaryFolder folder;
  folder.Write("token", "hf_file\n");
  folder.Write("other", "hf_other");
  EXPECT_EQ(Read({{"HF_HOME", folder.path()}})->token, "hf_file");
  EXPECT_EQ(Read({{"HF_HOME", folder.path()}, {"HF_TOKEN_PATH", folder.path("other")}})->token,
            "hf_other");
  EXPECT_EQ(Read({{"HF_HOME", folder.path()}, {"HF_TOKEN", " hf_variable\n"}})->token,
            "hf_variable");
  EXPECT_EQ(Read({{"HF_HOME", folder.path("nowhere")}})->token, "");
}

// It would become a header of the request.
TEST(HubEnvironmentTest, ATokenOfTwoLinesIsRefusedAndNotShown) {
  const auto hub = Read({{"HOME", "/"}, {"HF_TOKEN", "hf_secret\r\nX-Other: 1"}});
  EXPECT_THAT(hub, IsError(absl::StatusCode::kInvalidArgument, HasSubstr("HF_TOKEN")));
  EXPECT_THAT(hub.status().ToString(), testing::Not(HasSubstr("hf_secret")));
}

TEST(HubEnvironmentTest, AnEndpointIsAUrlOfHttp) {
  EXPECT_EQ(Read({{"HOME", "/"}, {"HF_ENDPOINT", "http://mirror:80/hf//"}})->endpoint,
            "http://mirror:80/hf");
  EXPECT_THAT(Read({{"HOME", "/"}, {"HF_ENDPOINT", "file:///etc"}}),
              IsError(absl::StatusCode::kInvalidArgument, HasSubstr("HF_ENDPOINT is")));
}

TEST(HubEnvironmentTest, TheEndpointsLoginIsKeptOutOfMessages) {
  const auto hub = Read({{"HOME", "/"}, {"HF_ENDPOINT", "http://me:s%40cret@mirror/hf/"}});
  EXPECT_EQ(hub->endpoint, "http://mirror/hf");
  EXPECT_EQ(hub->login, "me:s@cret");
  EXPECT_THAT(Read({{"HOME", "/"}, {"HF_ENDPOINT", "me:secret@mirror"}}).status().ToString(),
              testing::Not(HasSubstr("secret")));
}

TEST(HubEnvironmentTest, ATokenFileThatCantBeReadIsGoneWithoutUnlessItWasNamed) {
  TemporaryFolder folder;
  folder.Write("token", "hf_file");
  std::filesystem::permissions(folder.path("token"), std::filesystem::perms::none);
  const int user = setfsuid(65534);  // root reads what it likes
  const auto found = Read({{"HF_HOME", folder.path()}});
  const auto named = Read({{"HF_HOME", "/"}, {"HF_TOKEN_PATH", folder.path("token")}});
  setfsuid(user);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->token, "");
  EXPECT_THAT(named, IsError(absl::StatusCode::kPermissionDenied, HasSubstr("HF_TOKEN_PATH")));
}

TEST(HubEnvironmentTest, AFolderIsNoTokenFile) {
  TemporaryFolder folder;
  folder.Write("token/is", "a folder");
  EXPECT_EQ(Read({{"HF_HOME", folder.path()}})->token, "");
}

TEST(HubEnvironmentTest, WithoutAHomeTheCacheMustBeNamed) {
  EXPECT_THAT(Read({}), IsError(absl::StatusCode::kInvalidArgument, HasSubstr("HF_HUB_CACHE")));
  EXPECT_EQ(Read({{"HF_HUB_CACHE", "/c"}})->cache, "/c");
}

TEST(HubEnvironmentTest, OfflineIsAnyWordForYes) {
  for (const char* yes : {"1", "ON", "true", "Yes"}) {
    EXPECT_TRUE(Read({{"HOME", "/"}, {"HF_HUB_OFFLINE", yes}})->offline) << yes;
  }
  for (const char* no : {"", "0", "off"}) {
    EXPECT_FALSE(Read({{"HOME", "/"}, {"HF_HUB_OFFLINE", no}})->offline) << no;
  }
}

}  // namespace
}  // namespace patchserve
