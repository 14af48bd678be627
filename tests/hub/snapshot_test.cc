// What is fetched of a model, and what the cache serves.

#include "tests/hub/snapshot_fixture.h"

namespace patchserve {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

TEST_F(SnapshotTest, TheConfigurationAndTheWeightsAreFetchedAndNothingElse) {
  const auto snapshot = Fetch();
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_EQ(snapshot->commit, kFirstCommit);
  EXPECT_EQ(Read(*snapshot, "config.json"), "{}");
  EXPECT_EQ(Read(*snapshot, "model.safetensors"), kWeights);
  EXPECT_EQ(std::distance(fs::directory_iterator(snapshot->folder), {}), 2);
  EXPECT_EQ(Count("README"), 0);
  EXPECT_EQ(Count("pytorch"), 0);
  EXPECT_THAT(told_.back(), HasSubstr("fetching model.safetensors: 0.1 of 0.1 MB (100 %)"));
}

TEST_F(SnapshotTest, WhatTheCacheHasIsAskedForAndNotFetched) {
  ASSERT_TRUE(Fetch().ok());
  const size_t before = hub_.Requests().size();
  ASSERT_TRUE(Fetch().ok());
  const auto requests = hub_.Requests();
  EXPECT_THAT(std::vector(requests.begin() + before, requests.end()),
              Not(Contains(HasSubstr("model.safetensors"))));
}

TEST_F(SnapshotTest, ACommitThatTheCacheHasIsNotEvenAskedFor) {
  ASSERT_TRUE(Fetch(kFirstCommit).ok());
  const size_t before = hub_.Requests().size();
  ASSERT_TRUE(Fetch(kFirstCommit).ok());
  EXPECT_EQ(hub_.Requests().size(), before);
}

TEST_F(SnapshotTest, ABranchThatHasMovedIsFetchedWhereItIsNowAndTheOldCommitStays) {
  const auto first = Fetch();
  hub_.Commit(kModel, kSecondCommit, {{"config.json", "{ }"}, {"model.safetensors", "new"}});
  const auto second = Fetch();
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->commit, kSecondCommit);
  EXPECT_EQ(Read(*second, "model.safetensors"), "new");
  EXPECT_EQ(Read(*first, "model.safetensors"), kWeights);
  EXPECT_EQ(Cached()->commit, kSecondCommit);
}

// Else config.json would be of one commit and the weights of another.
TEST_F(SnapshotTest, ABranchThatMovesMeanwhileIsFetchedAtOneCommit) {
  wait_ = [this](absl::Duration) {
    hub_.Commit(kModel, kSecondCommit, {{"config.json", "{ }"}, {"model.safetensors", "new"}});
    return absl::OkStatus();
  };
  hub_.Fault("kind=500&file=model.safetensors");  // waits, and the branch moves
  const auto snapshot = Fetch();
  EXPECT_EQ(snapshot->commit, kFirstCommit);
  EXPECT_EQ(Read(*snapshot, "model.safetensors"), kWeights);
}

TEST_F(SnapshotTest, ARevisionMayBeATagOrABranchWithASlash) {
  hub_.Write(kModel, "refs/refs/pr/7", kFirstCommit);
  EXPECT_EQ(Fetch("refs/pr/7")->commit, kFirstCommit);
}

TEST_F(SnapshotTest, ShardsAreFetched) {
  hub_.Commit(kModel, kSecondCommit,
              {{"config.json", "{}"},
               {"model.safetensors.index.json",
                R"({"weight_map": {"a": "1.safetensors", "b": "2.safetensors"}})"},
               {"1.safetensors", "first"},
               {"2.safetensors", "second"},
               {"3.safetensors", "not named"}});
  const auto snapshot = Fetch();
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_EQ(Read(*snapshot, "1.safetensors"), "first");
  EXPECT_EQ(Read(*snapshot, "2.safetensors"), "second");
  EXPECT_EQ(Count("3.safetensors"), 0);
  EXPECT_TRUE(Cached().ok());
  fs::remove(snapshot->folder + "/2.safetensors");
  EXPECT_THAT(Cached(), IsError(absl::StatusCode::kNotFound, HasSubstr("lacks 2.safetensors")));
}

TEST_F(SnapshotTest, AnIndexThatNamesAFileElsewhereIsRefused) {
  hub_.Commit(kModel, kSecondCommit,
              {{"config.json", "{}"},
               {"model.safetensors.index.json", R"({"weight_map": {"a": "../x.safetensors"}})"}});
  EXPECT_THAT(Fetch(), IsError(absl::StatusCode::kInvalidArgument,
                               HasSubstr("expected the name of a .safetensors file")));
}

TEST_F(SnapshotTest, TheTokenGoesToTheHubAndNotToWhereItRedirects) {
  environment_.token = "good";
  hub_.Write(kModel, "private", "");
  ASSERT_TRUE(Fetch().ok());
  const std::string log = hub_.Log();
  EXPECT_THAT(log, HasSubstr("Bearer good"));
  EXPECT_THAT(log, HasSubstr("signature=secret\", \"\", \"\""));  // neither a range nor a token
}

TEST_F(SnapshotTest, TheEndpointsLoginGoesToTheHubAlone) {
  environment_.login = "me:secret";
  ASSERT_TRUE(Fetch().ok());
  const std::string log = hub_.Log();
  EXPECT_THAT(log, HasSubstr("Basic bWU6c2VjcmV0"));
  EXPECT_THAT(log, HasSubstr("signature=secret\", \"\", \"\""));
}

TEST_F(SnapshotTest, AModelThatWasRenamedIsFound) {
  hub_.Write("old/name", "moved_to", kModel);
  const auto snapshot =
      FetchSnapshot(environment_, {"old/name"}, {cancelled_, [](const std::string&) {}, wait_});
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_EQ(snapshot->commit, kFirstCommit);
}

}  // namespace
}  // namespace patchserve
