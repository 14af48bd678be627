#include "server/hub/url.h"

#include "tests/model/status_matchers.h"

namespace patchserve {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::Pair;
using testing::Property;

TEST(UrlTest, ALocationMayBeRelative) {
  EXPECT_EQ(ResolveUrl("https://hub/a/b?c=d", "/e?f").value(), "https://hub/e?f");
  EXPECT_EQ(ResolveUrl("https://hub/a", "https://cdn:8443/x").value(), "https://cdn:8443/x");
  EXPECT_EQ(ResolveUrl("http://hub/a", "//cdn/x").value(), "http://cdn/x");
}

TEST(UrlTest, ALocationLeavesNeitherHttpNorEncryption) {
  const auto refused = [](const std::string& location, const std::string& why) {
    EXPECT_THAT(ResolveUrl("https://hub/a", location),
                IsError(absl::StatusCode::kFailedPrecondition, HasSubstr(why)));
  };
  refused("http://hub/a", "isn't encrypted any more");
  refused("file:///etc/passwd", "neither http nor https");
  refused("gopher://hub/", "neither http nor https");
  refused("https://[broken", "isn't a URL");
}

TEST(UrlTest, AnOriginIsSchemeHostAndPort) {
  EXPECT_TRUE(IsSameOrigin("https://hub/a", "HTTPS://Hub:443/b"));
  for (const char* other : {"http://hub/", "https://hub:444/", "https://hub.evil/",
                            "https://evil/?https://hub/", "https://hub@evil/", "hub", ""}) {
    EXPECT_FALSE(IsSameOrigin("https://hub/", other)) << other;
  }
}

TEST(UrlTest, AComponentIsEscaped) {
  EXPECT_EQ(EscapeUrlComponent("refs/pr/1+2.x-y_z"), "refs%2Fpr%2F1%2B2.x-y_z");
}

TEST(UrlTest, TheOriginHasNeitherUserNorPath) {
  EXPECT_EQ(Origin("https://me:secret@hub/models?signature=secret"), "https://hub");
  EXPECT_EQ(Origin("http://hub:81/models"), "http://hub:81");
}

TEST(UrlTest, MessagesHaveNoLoginAndNoSignature) {
  EXPECT_EQ(WithoutSecrets("https://me:secret@hub:81/a/b?signature=secret"), "https://hub:81/a/b");
  EXPECT_EQ(WithoutSecrets("//me:secret@hub/a#secret"), "//hub/a");
  EXPECT_EQ(WithoutSecrets("a/b@c"), "a/b@c");
  for (const char* odd :
       {"http:/me:secret@hub/a", "http:///me:secret@hub/a", "HTTP://me:secret@hub/a"}) {
    EXPECT_THAT(WithoutSecrets(odd), Not(HasSubstr("secret"))) << odd;
  }
  EXPECT_THAT(ResolveUrl("https://me:secret@hub/?secret", "http://me:secret@hub/?secret").status(),
              Property(&absl::Status::message, Not(HasSubstr("secret"))));
}

TEST(UrlTest, TheLoginIsTakenOutOfAUrl) {
  const auto taken = [](std::string url) {
    const std::string login = TakeLogin(url);
    return std::pair(login, url);
  };
  EXPECT_THAT(taken("https://me:a%40b@hub/a"), Pair("me:a@b", "https://hub/a"));
  EXPECT_THAT(taken("https://hub/a@b"), Pair("", "https://hub/a@b"));
  EXPECT_THAT(taken("https://@hub.example/a"), Pair("", "https://hub.example/a"));
}

}  // namespace
}  // namespace patchserve
