// Fetching, against the fake hub.

#include "server/hub/snapshot.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <thread>

#include "server/hub/cache.h"
#include "server/net/file_descriptor.h"
#include "tests/hub/fake_hub_process.h"
#include "tests/model/status_matchers.h"

namespace patchserve {
namespace {

namespace fs = std::filesystem;
using testing::_;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const std::string kModel = "org/name";
// Of a kilobyte and more, so that pieces of it are seen.
const std::string kWeights = [] {
  std::string bytes;
  for (int i = 0; i < 100'000; ++i) bytes += static_cast<char>(i * i >> 4);
  return bytes;
}();

class SnapshotTest : public testing::Test {
 protected:
  SnapshotTest() {
    hub_.Commit(kModel, kFirstCommit,
                {{"config.json", "{}"},
                 {"model.safetensors", kWeights},
                 {"README.md", "# A model"},
                 {"pytorch_model.bin", "a pickle"}});
    environment_ = {.endpoint = hub_.url(), .cache = folder_.path("cache")};
  }

  absl::StatusOr<HubSnapshot> Fetch(const std::string& revision = "main") {
    return FetchSnapshot(environment_, {kModel, revision},
                         {.cancelled = cancelled_,
                          .progress = [this](const std::string& text) { told_.push_back(text); },
                          .wait = wait_});
  }
  absl::StatusOr<HubSnapshot> Cached() { return CachedSnapshot(environment_, {kModel}); }

  std::string Read(const HubSnapshot& snapshot, const std::string& file) {
    std::ifstream in(snapshot.folder + "/" + file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  // Of the model, relative to its folder.
  std::set<std::string> FilesOfCache() {
    std::set<std::string> files;
    const std::string model = folder_.path("cache/models--org--name");
    if (!fs::exists(model)) return files;
    for (const auto& entry : fs::recursive_directory_iterator(model)) {
      if (!entry.is_directory()) files.insert(fs::relative(entry.path().parent_path(), model));
    }
    return files;
  }
  fs::path BlobOfWeights() {
    const HubCache cache(environment_.cache, {kModel});
    for (const auto& entry : fs::directory_iterator(cache.Blob("").parent_path())) {
      if (entry.path().filename().string().size() >= 64) return entry.path();
    }
    return {};
  }
  int Count(const std::string& request) {
    const auto requests = hub_.Requests();
    return std::count_if(requests.begin(), requests.end(),
                         [&](const std::string& line) { return line.find(request) != line.npos; });
  }

  FakeHub hub_;
  TemporaryFolder folder_;
  HubEnvironment environment_;
  std::atomic<bool> cancelled_ = false;
  std::vector<std::string> told_;
  std::vector<absl::Duration> pauses_;
  WaitFunction wait_ = [this](absl::Duration pause) {
    pauses_.push_back(pause);
    return absl::OkStatus();
  };
};

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

TEST_F(SnapshotTest, AModelThatWasRenamedIsFound) {
  hub_.Write("old/name", "moved_to", kModel);
  const auto snapshot =
      FetchSnapshot(environment_, {"old/name"}, {cancelled_, [](const std::string&) {}, wait_});
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_EQ(snapshot->commit, kFirstCommit);
}

TEST_F(SnapshotTest, ABodyThatIsCutIsResumedWhereItEnded) {
  hub_.Fault("kind=cut&file=model.safetensors&bytes=40000");
  const auto snapshot = Fetch();
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_EQ(Read(*snapshot, "model.safetensors"), kWeights);
  EXPECT_THAT(hub_.Log(), HasSubstr("bytes=40000-"));
  EXPECT_EQ(pauses_.size(), 1);
}

TEST_F(SnapshotTest, ABodyThatIsCutAgainAndAgainIsResumedAsLongAsMoreComes) {
  hub_.Fault("kind=cut&file=model.safetensors&bytes=9000&times=10");
  EXPECT_TRUE(Fetch().ok());
  EXPECT_EQ(pauses_.size(), 10);
}

TEST_F(SnapshotTest, AServerThatSendsNoPartsIsReadFromTheStart) {
  hub_.Fault("kind=cut&file=model.safetensors&bytes=40000");
  hub_.Fault("kind=whole&file=model.safetensors");
  const auto snapshot = Fetch();
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_EQ(Read(*snapshot, "model.safetensors"), kWeights);
}

TEST_F(SnapshotTest, ABodyThatNeverComesEndsAfterFiveTries) {
  hub_.Fault("kind=cut&file=model.safetensors&bytes=0&times=1000");
  EXPECT_THAT(Fetch(), IsError(absl::StatusCode::kUnavailable, HasSubstr("nothing of it")));
  EXPECT_EQ(pauses_.size(), 4);
  EXPECT_THAT(Cached(), IsError(absl::StatusCode::kNotFound, _));
}

// As after a kill: what has come is there, and isn't a model.
TEST_F(SnapshotTest, ADownloadThatWasEndedLoadsNothingAndGoesOnLater) {
  wait_ = [](absl::Duration) { return absl::CancelledError("stopped"); };
  hub_.Fault("kind=cut&file=model.safetensors&bytes=40000");
  EXPECT_THAT(Fetch(), IsError(absl::StatusCode::kCancelled, _));
  EXPECT_THAT(Cached(), IsError(absl::StatusCode::kNotFound, _));
  EXPECT_THAT(BlobOfWeights().string(), testing::EndsWith(".incomplete"));

  ASSERT_TRUE(Fetch().ok());
  EXPECT_THAT(hub_.Log(), HasSubstr("bytes=40000-"));
  EXPECT_THAT(BlobOfWeights().string(), Not(testing::EndsWith(".incomplete")));
}

TEST_F(SnapshotTest, ADownloadThatHangsIsEndedByTheServersEnd) {
  hub_.Fault("kind=hold&file=model.safetensors&bytes=40000");
  std::thread other([this] {
    while (Count("GET /") < 4) std::this_thread::yield();  // the fake has the request
    cancelled_ = true;
  });
  EXPECT_THAT(Fetch(), IsError(absl::StatusCode::kCancelled, _));
  other.join();
}

TEST_F(SnapshotTest, WrongBytesAreFetchedOnceMore) {
  hub_.Fault("kind=wrong&file=model.safetensors&bytes=1");
  const auto snapshot = Fetch();
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_EQ(Read(*snapshot, "model.safetensors"), kWeights);
}

TEST_F(SnapshotTest, BytesThatStayWrongAreRefusedAndGone) {
  for (const char* file : {"config.json", "model.safetensors"}) {
    hub_.Fault(std::string("kind=wrong&times=2&bytes=1&file=") + file);
    EXPECT_THAT(Fetch(), IsError(absl::StatusCode::kDataLoss,
                                 AllOf(HasSubstr(file), HasSubstr("came damaged"))));
    EXPECT_FALSE(Cached().ok());
  }
  EXPECT_EQ(BlobOfWeights(), "");
}

TEST_F(SnapshotTest, WhatWasLeftDamagedIsFetchedOnceMore) {
  ASSERT_TRUE(Fetch().ok());
  const fs::path blob = BlobOfWeights();
  fs::rename(blob, blob.string() + ".incomplete");
  std::fstream(blob.string() + ".incomplete", std::ios::in | std::ios::out) << "x";
  const auto snapshot = Fetch();
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_EQ(Read(*snapshot, "model.safetensors"), kWeights);
}

// The name of a blob and where it is written come from the hub.
TEST_F(SnapshotTest, AnIncompleteFileThatIsALinkIsntWrittenThrough) {
  ASSERT_TRUE(Fetch().ok());
  const fs::path blob = BlobOfWeights();
  fs::remove(blob);
  const std::string outside = folder_.Write("outside", "mine");
  fs::create_symlink(outside, blob.string() + ".incomplete");
  EXPECT_FALSE(Fetch("main").ok());
  EXPECT_EQ(fs::file_size(outside), 4);
}

TEST_F(SnapshotTest, ABusyHubIsAskedAgainWhenItSays) {
  hub_.Fault("kind=429&file=config.json&retry_after=7");
  hub_.Fault("kind=503&file=config.json");
  EXPECT_TRUE(Fetch().ok());
  EXPECT_THAT(pauses_, ElementsAre(absl::Seconds(7), absl::Seconds(2)));
}

TEST_F(SnapshotTest, ABusyHubIsAskedFiveTimes) {
  hub_.Fault("kind=429&file=config.json&times=1000");
  EXPECT_THAT(Fetch(), IsError(absl::StatusCode::kUnavailable,
                               AllOf(HasSubstr("answers 429, too many requests"),
                                     HasSubstr("has nothing of it"))));
  EXPECT_EQ(Count("HEAD"), 5);
}

TEST_F(SnapshotTest, WithoutTheHubTheCacheServesAtOnce) {
  ASSERT_TRUE(Fetch().ok());
  environment_.endpoint = "http://127.0.0.1:1";
  const auto snapshot = Fetch();
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_EQ(snapshot->commit, kFirstCommit);
  EXPECT_THAT(pauses_, IsEmpty());
}

TEST_F(SnapshotTest, WithoutTheHubTheErrorSaysWhatTheCacheHas) {
  ASSERT_TRUE(Fetch().ok());
  environment_.endpoint = "http://127.0.0.1:1";
  EXPECT_THAT(Fetch("v2"), IsError(absl::StatusCode::kUnavailable,
                                   AllOf(HasSubstr("http://127.0.0.1:1"),
                                         HasSubstr("has commit " + kFirstCommit))));
}

TEST_F(SnapshotTest, OfflineTheHubIsNotAsked) {
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

TEST_F(SnapshotTest, AGatedModelSaysWhereItsTermsAre) {
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

TEST_F(SnapshotTest, AModelThatIsntThereMayBePrivate) {
  const auto fetch = [&] {
    return FetchSnapshot(environment_, {"org/nothing"}, {cancelled_, [](auto&) {}, wait_});
  };
  EXPECT_THAT(fetch(), IsError(absl::StatusCode::kPermissionDenied,
                               HasSubstr("no such model, or it is private: then set HF_TOKEN")));
  environment_.token = "good";
  EXPECT_THAT(fetch(), IsError(absl::StatusCode::kNotFound,
                               HasSubstr("there is no model org/nothing at " + hub_.url())));
}

TEST_F(SnapshotTest, ARevisionThatIsntThereIsNamed) {
  EXPECT_THAT(Fetch("v9"),
              IsError(absl::StatusCode::kNotFound, HasSubstr("model org/name has no revision v9")));
}

TEST_F(SnapshotTest, OtherWeightsAreNamed) {
  hub_.Commit(kModel, kSecondCommit,
              {{"config.json", "{}"}, {"pytorch_model.bin", "pickle"}, {"README.md", "#"}});
  EXPECT_THAT(Fetch(),
              IsError(absl::StatusCode::kNotFound,
                      HasSubstr("has no model.safetensors: it has \"pytorch_model.bin\"")));
}

TEST_F(SnapshotTest, WithoutAConfigurationItIsNoModel) {
  hub_.Commit(kModel, kSecondCommit, {{"model.safetensors", "x"}});
  EXPECT_THAT(Fetch(), IsError(absl::StatusCode::kNotFound, HasSubstr("has no config.json")));
}

TEST_F(SnapshotTest, AnAnswerThatNoHubGivesIsNamed) {
  environment_.endpoint = hub_.url() + "/api/resolve-cache/models";  // a host, but no hub there
  EXPECT_THAT(Fetch(), IsError(absl::StatusCode::kNotFound, HasSubstr("there is no model")));
}

TEST_F(SnapshotTest, AnotherProcessThatFetchesIsWaitedFor) {
  const HubCache cache(environment_.cache, {kModel});
  ASSERT_TRUE(Fetch().ok());
  const std::string digest = BlobOfWeights().filename();
  fs::rename(cache.Blob(digest), folder_.path("fetched"));
  const FileDescriptor lock(open(cache.Lock(digest).c_str(), O_RDWR));
  ASSERT_EQ(flock(lock.get(), LOCK_EX), 0);
  const int before = Count("GET /" + digest);
  wait_ = [&](absl::Duration) {  // the other one is done
    fs::rename(folder_.path("fetched"), cache.Blob(digest));
    flock(lock.get(), LOCK_UN);
    return absl::OkStatus();
  };
  const auto snapshot = Fetch();
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_EQ(Count("GET /" + digest), before);
}

TEST_F(SnapshotTest, SeveralAtOnceFetchEachFileOnce) {
  std::vector<std::thread> threads;
  std::atomic<int> good = 0;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&] {
      const auto snapshot = FetchSnapshot(
          environment_, {kModel},
          {cancelled_, [](const std::string&) {},
           [&](absl::Duration pause) { return WaitUnlessCancelled(pause, cancelled_); }});
      good += snapshot.ok() && Read(*snapshot, "model.safetensors") == kWeights;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 6);
  const std::string digest = BlobOfWeights().filename();
  EXPECT_EQ(Count("GET /" + digest), 1);
  EXPECT_THAT(FilesOfCache(), ElementsAre("blobs", "refs", "snapshots/" + kFirstCommit));
}

}  // namespace
}  // namespace patchserve
