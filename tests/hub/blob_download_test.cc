// Bodies that are cut, hang, or are wrong; several that fetch the same.

#include "server/hub/blob_download.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "server/hub/digest.h"
#include "server/net/file_descriptor.h"
#include "tests/eventually.h"
#include "tests/hub/snapshot_fixture.h"

namespace patchserve {
namespace {

namespace fs = std::filesystem;
using testing::_;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

using BlobDownloadTest = SnapshotTest;

TEST_F(BlobDownloadTest, ABodyThatIsCutIsResumedWhereItEnded) {
  hub_.Fault("kind=cut&file=model.safetensors&bytes=40000");
  const auto snapshot = Fetch();
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_EQ(Read(*snapshot, "model.safetensors"), kWeights);
  EXPECT_THAT(hub_.Log(), HasSubstr("bytes=40000-"));
  EXPECT_EQ(pauses_.size(), 1);
}

TEST_F(BlobDownloadTest, ABodyThatIsCutAgainAndAgainIsResumedAsLongAsMoreComes) {
  hub_.Fault("kind=cut&file=model.safetensors&bytes=9000&times=10");
  EXPECT_TRUE(Fetch().ok());
  EXPECT_EQ(pauses_.size(), 10);
}

TEST_F(BlobDownloadTest, ADiskThatFillsUpIsNamedAndWhatCameIsUsedWhenThereIsRoom) {
  const auto previous = signal(SIGXFSZ, SIG_IGN);  // then write fails, as on a full disk
  rlimit unlimited;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &unlimited), 0);
  const rlimit full = {.rlim_cur = 40'000, .rlim_max = unlimited.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &full), 0);
  const auto failed = Fetch();
  setrlimit(RLIMIT_FSIZE, &unlimited);
  signal(SIGXFSZ, previous);
  EXPECT_THAT(failed, IsError(absl::StatusCode::kInternal, HasSubstr("can't be written")));
  EXPECT_THAT(pauses_, IsEmpty());  // that isn't the hub's fault: no second try
  EXPECT_FALSE(Cached().ok());

  const auto snapshot = Fetch();
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_EQ(Read(*snapshot, "model.safetensors"), kWeights);
  EXPECT_THAT(hub_.Log(), HasSubstr("bytes=40000-"));
}

TEST_F(BlobDownloadTest, AServerThatSendsNoPartsIsReadFromTheStart) {
  hub_.Fault("kind=cut&file=model.safetensors&bytes=40000");
  hub_.Fault("kind=whole&file=model.safetensors");
  const auto snapshot = Fetch();
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_EQ(Read(*snapshot, "model.safetensors"), kWeights);
}

TEST_F(BlobDownloadTest, AServerThatBeginsAnewAndNeverGetsFurtherIsGivenUp) {
  hub_.Fault("kind=whole&file=model.safetensors&times=100");
  for (int i = 0; i < 20; ++i) {
    hub_.Fault("kind=cut&file=model.safetensors&bytes=40000");
    hub_.Fault("kind=cut&file=model.safetensors&bytes=60000");
  }
  EXPECT_THAT(Fetch(), IsError(absl::StatusCode::kUnavailable, _));
  EXPECT_EQ(pauses_.size(), 5);
}

TEST_F(BlobDownloadTest, ABodyThatNeverComesEndsAfterFiveTries) {
  hub_.Fault("kind=cut&file=model.safetensors&bytes=0&times=1000");
  EXPECT_THAT(Fetch(), IsError(absl::StatusCode::kUnavailable, HasSubstr("nothing of it")));
  EXPECT_EQ(pauses_.size(), 4);
  EXPECT_THAT(Cached(), IsError(absl::StatusCode::kNotFound, _));
}

// As after a kill: what has come is there, and isn't a model.
TEST_F(BlobDownloadTest, ADownloadThatWasEndedLoadsNothingAndGoesOnLater) {
  wait_ = [](absl::Duration) { return absl::CancelledError("stopped"); };
  hub_.Fault("kind=cut&file=model.safetensors&bytes=40000");
  EXPECT_THAT(Fetch(), IsError(absl::StatusCode::kCancelled, _));
  EXPECT_THAT(Cached(), IsError(absl::StatusCode::kNotFound, _));
  EXPECT_THAT(BlobOfWeights().string(), testing::EndsWith(".incomplete"));

  ASSERT_TRUE(Fetch().ok());
  EXPECT_THAT(hub_.Log(), HasSubstr("bytes=40000-"));
  EXPECT_THAT(BlobOfWeights().string(), Not(testing::EndsWith(".incomplete")));
}

TEST_F(BlobDownloadTest, ADownloadThatHangsIsEndedByTheServersEnd) {
  hub_.Fault("kind=hold&file=model.safetensors&bytes=40000");
  std::thread other([this] {
    Eventually("the fake has the request", [this] { return Count("GET /") >= 4; });
    cancelled_ = true;
  });
  EXPECT_THAT(Fetch(), IsError(absl::StatusCode::kCancelled, _));
  other.join();
}

TEST_F(BlobDownloadTest, WrongBytesAreFetchedOnceMore) {
  hub_.Fault("kind=wrong&file=model.safetensors&bytes=1");
  const auto snapshot = Fetch();
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_EQ(Read(*snapshot, "model.safetensors"), kWeights);
}

TEST_F(BlobDownloadTest, BytesThatStayWrongAreRefusedAndGone) {
  for (const char* file : {"config.json", "model.safetensors"}) {
    hub_.Fault(std::string("kind=wrong&times=2&bytes=1&file=") + file);
    EXPECT_THAT(Fetch(), IsError(absl::StatusCode::kDataLoss,
                                 AllOf(HasSubstr(file), HasSubstr("came damaged"))));
    EXPECT_FALSE(Cached().ok());
  }
  EXPECT_EQ(BlobOfWeights(), "");
}

TEST_F(BlobDownloadTest, WhatWasLeftDamagedIsFetchedOnceMore) {
  ASSERT_TRUE(Fetch().ok());
  const fs::path blob = BlobOfWeights();
  fs::rename(blob, blob.string() + ".incomplete");
  std::fstream(blob.string() + ".incomplete", std::ios::in | std::ios::out) << "x";
  const auto snapshot = Fetch();
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_EQ(Read(*snapshot, "model.safetensors"), kWeights);
}

// The name of a blob and where it is written come from the hub.
TEST_F(BlobDownloadTest, AnIncompleteFileThatIsALinkIsntWrittenThrough) {
  ASSERT_TRUE(Fetch().ok());
  const fs::path blob = BlobOfWeights();
  fs::remove(blob);
  const std::string outside = folder_.Write("outside", "mine");
  fs::create_symlink(outside, blob.string() + ".incomplete");
  EXPECT_FALSE(Fetch("main").ok());
  EXPECT_EQ(fs::file_size(outside), 4);
}

TEST_F(BlobDownloadTest, ABlobThatIsALinkOutOfTheCacheIsNotServed) {
  ASSERT_TRUE(Fetch().ok());
  const fs::path blob = BlobOfWeights();
  fs::rename(blob, folder_.path("outside"));
  fs::create_symlink(folder_.path("outside"), blob);
  fs::remove_all(HubCache(environment_.cache, {kModel}).Snapshot(""));  // the first start
  EXPECT_THAT(Fetch(),
              IsError(absl::StatusCode::kFailedPrecondition, HasSubstr("leads out of the cache")));
}

TEST_F(BlobDownloadTest, ALockThatIsALinkIsNotFollowed) {
  ASSERT_TRUE(Fetch().ok());
  const fs::path blob = BlobOfWeights();
  const fs::path lock = HubCache(environment_.cache, {kModel}).Lock(blob.filename());
  fs::remove(blob);
  fs::remove(lock);
  fs::create_symlink(folder_.path("outside"), lock);
  EXPECT_FALSE(Fetch().ok());
  EXPECT_FALSE(fs::exists(folder_.path("outside")));
}

TEST_F(BlobDownloadTest, AnotherProcessThatFetchesIsWaitedFor) {
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

// As on file systems where each process gets the lock.
class WithoutLocksTest : public BlobDownloadTest {
 protected:
  // Fetches "bytes"; `after_first` happens after its first read.
  absl::Status Download(std::function<void()> after_first = [] {}) {
    EXPECT_TRUE(cache_.Prepare(kFirstCommit).ok());
    return DownloadBlob(cache_, file_,
                        {.read =
                             [&](int64_t from, auto body) {
                               absl::Status status = body(from, std::string("bytes").substr(from));
                               if (++reads_ == 1) after_first();
                               return status;
                             },
                         .progress = [](int64_t) {},
                         .wait = wait_,
                         .cancelled = cancelled_});
  }
  void Replace(const std::string& end, const std::string& contents) {
    fs::remove(blob_ + ".incomplete");
    folder_.Write(fs::relative(blob_ + end, folder_.path()), contents);
  }
  std::string Blob() {
    std::ifstream in(blob_);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  const HubCache cache_{folder_.path("cache"), {kModel}};
  const HubFile file_ = {.name = "model.safetensors",
                         .commit = kFirstCommit,
                         .digest =
                             [] {  // git's hash
                               Digest digest(std::string(40, '0'), 5);
                               digest.Add("bytes");
                               return digest.Finish();
                             }(),
                         .size = 5};
  const std::string blob_ = cache_.Blob(file_.digest);
  int reads_ = 0;
};

TEST_F(WithoutLocksTest, WhatAnotherProcessHasBegunDoesntBecomeTheBlob) {
  EXPECT_TRUE(Download([&] { Replace(".incomplete", "by"); }).ok());
  EXPECT_EQ(Blob(), "bytes");
  EXPECT_EQ(reads_, 2);
}

TEST_F(WithoutLocksTest, WhatAnotherProcessHasFinishedIsTaken) {
  EXPECT_TRUE(Download([&] { Replace("", "bytes"); }).ok());
  EXPECT_EQ(Blob(), "bytes");
  EXPECT_EQ(reads_, 1);
}

// It may be gigabytes that are read.
TEST_F(WithoutLocksTest, AServerThatStopsDoesntReadWhatHasCome) {
  Replace(".incomplete", "by");
  cancelled_ = true;
  EXPECT_THAT(Download(), IsError(absl::StatusCode::kCancelled, _));
  EXPECT_EQ(reads_, 0);
}

TEST_F(BlobDownloadTest, SeveralAtOnceFetchEachFileOnce) {
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
