// What a hub refuses, and a hub that is away.

#include "tests/hub/snapshot_fixture.h"

namespace patchserve {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

using HubErrorTest = SnapshotTest;

TEST_F(HubErrorTest, ABusyHubIsAskedAgainWhenItSays) {
  hub_.Fault("kind=429&file=config.json&retry_after=7");
  hub_.Fault("kind=503&file=config.json");
  EXPECT_TRUE(Fetch().ok());
  EXPECT_THAT(pauses_, ElementsAre(absl::Seconds(7), absl::Seconds(2)));
}

TEST_F(HubErrorTest, ARateLimitSaysWhenItEnds) {
  hub_.Fault("kind=429&file=config.json&retry_after=%22api%22%3Br%3D0%3Bt%3D55");
  EXPECT_TRUE(Fetch().ok());
  EXPECT_THAT(pauses_, ElementsAre(absl::Seconds(55)));
}

TEST_F(HubErrorTest, ABusyHubIsAskedFiveTimes) {
  hub_.Fault("kind=429&file=config.json&times=1000");
  EXPECT_THAT(Fetch(), IsError(absl::StatusCode::kUnavailable,
                               AllOf(HasSubstr("answers 429, too many requests"),
                                     HasSubstr("has nothing of it"))));
  EXPECT_EQ(Count("HEAD"), 5);
}

TEST_F(HubErrorTest, WithoutTheHubTheCacheServesAtOnce) {
  ASSERT_TRUE(Fetch().ok());
  environment_.endpoint = "http://127.0.0.1:1";
  const auto snapshot = Fetch();
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_EQ(snapshot->commit, kFirstCommit);
  EXPECT_THAT(pauses_, IsEmpty());
}

TEST_F(HubErrorTest, WithoutTheHubTheErrorSaysWhatTheCacheHas) {
  ASSERT_TRUE(Fetch().ok());
  environment_.endpoint = "http://127.0.0.1:1";
  EXPECT_THAT(Fetch("v2"), IsError(absl::StatusCode::kUnavailable,
                                   AllOf(HasSubstr("http://127.0.0.1:1"),
                                         HasSubstr("has commit " + kFirstCommit))));
}

TEST_F(HubErrorTest, OfflineTheHubIsNotAsked) {
  environment_.offline = true;
  EXPECT_THAT(Fetch(), IsError(absl::StatusCode::kNotFound, HasSubstr("isn't in the cache")));
  EXPECT_THAT(hub_.Requests(), IsEmpty());
  environment_.offline = false;
  ASSERT_TRUE(Fetch().ok());
  const size_t before = hub_.Requests().size();
  environment_.offline = true;
  EXPECT_EQ(Fetch()->commit, kFirstCommit);
  EXPECT_EQ(hub_.Requests().size(), before);
}

TEST_F(HubErrorTest, AGatedModelSaysWhereItsTermsAre) {
  hub_.Write(kModel, "gated", "");
  EXPECT_THAT(Fetch(), IsError(absl::StatusCode::kPermissionDenied,
                               AllOf(HasSubstr("accept its terms at " + hub_.url() + "/org/name"),
                                     HasSubstr("set HF_TOKEN"))));
  environment_.token = "bad";
  EXPECT_THAT(Fetch(), IsError(absl::StatusCode::kPermissionDenied,
                               AllOf(HasSubstr("with the account that the token is of"),
                                     Not(HasSubstr("bad")))));
  environment_.token = "good";
  EXPECT_TRUE(Fetch().ok());
}

TEST_F(HubErrorTest, AModelThatIsntThereMayBePrivate) {
  const auto fetch = [&] {
    return FetchSnapshot(environment_, {"org/nothing"}, {cancelled_, [](auto&) {}, wait_});
  };
  EXPECT_THAT(fetch(), IsError(absl::StatusCode::kPermissionDenied,
                               HasSubstr("no such model, or it is private: then set HF_TOKEN")));
  environment_.token = "good";
  EXPECT_THAT(fetch(), IsError(absl::StatusCode::kNotFound,
                               HasSubstr("there is no model org/nothing at " + hub_.url())));
}

TEST_F(HubErrorTest, ARevisionThatIsntThereIsNamed) {
  EXPECT_THAT(Fetch("v9"),
              IsError(absl::StatusCode::kNotFound, HasSubstr("model org/name has no revision v9")));
}

TEST_F(HubErrorTest, AnotherCommitThanTheOneAskedForIsRefused) {
  const std::string pinned(40, '3');
  hub_.Write(kModel, "refs/" + pinned, kFirstCommit);
  EXPECT_THAT(Fetch(pinned), IsError(absl::StatusCode::kFailedPrecondition,
                                     HasSubstr("gives commit " + kFirstCommit)));
  EXPECT_THAT(FilesOfCache(), IsEmpty());
}

TEST_F(HubErrorTest, WhereTheHubRedirectsToRefusesAsTheHubDoes) {
  FakeHub other;
  other.Commit(kModel, kFirstCommit, {{"config.json", "{}"}});
  other.Write(kModel, "gated", "");
  hub_.Write(kModel, "moved_to", other.url() + "/" + kModel);
  environment_.token = "good";
  EXPECT_THAT(
      Fetch(),
      IsError(absl::StatusCode::kPermissionDenied,
              AllOf(HasSubstr("the model is gated"),
                    HasSubstr("redirects to " + other.url() + ", where the token isn't sent"))));
  EXPECT_THAT(pauses_, IsEmpty());
}

TEST_F(HubErrorTest, OtherWeightsAreNamed) {
  hub_.Commit(kModel, kSecondCommit,
              {{"config.json", "{}"}, {"pytorch_model.bin", "pickle"}, {"README.md", "#"}});
  EXPECT_THAT(Fetch(),
              IsError(absl::StatusCode::kNotFound,
                      HasSubstr("has no model.safetensors: it has \"pytorch_model.bin\"")));
}

TEST_F(HubErrorTest, WithoutAConfigurationItIsNoModel) {
  hub_.Commit(kModel, kSecondCommit, {{"model.safetensors", "x"}});
  EXPECT_THAT(Fetch(), IsError(absl::StatusCode::kNotFound, HasSubstr("has no config.json")));
}

TEST_F(HubErrorTest, AnAnswerThatNoHubGivesIsNamed) {
  environment_.endpoint = hub_.url() + "/api/resolve-cache/models";  // a host, but no hub there
  EXPECT_THAT(Fetch(), IsError(absl::StatusCode::kNotFound, HasSubstr("there is no model")));
}

}  // namespace
}  // namespace patchserve
