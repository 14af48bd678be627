#include "server/hub/cache.h"

#include <dirent.h>
#include <dlfcn.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "tests/model/status_matchers.h"
#include "tests/temporary_folder.h"

namespace {

bool disk_fails = false, fails_from_now_on = false;

}  // namespace

// Symbols of the program come before those of its libraries: std::filesystem's calls arrive here. A
// disk that fails gives the folder's first entry and no other.
extern "C" dirent* readdir(DIR* folder) {
  static const auto real = reinterpret_cast<dirent* (*)(DIR*)>(dlsym(RTLD_NEXT, "readdir"));
  if (fails_from_now_on) {
    errno = EIO;
    return nullptr;
  }
  dirent* const entry = real(folder);
  fails_from_now_on = disk_fails && entry != nullptr && entry->d_name[0] != '.';
  return entry;
}

namespace patchserve {
namespace {

namespace fs = std::filesystem;
using testing::_;
using testing::ElementsAre;
using testing::HasSubstr;

const std::string kCommit(40, '1'), kOther(40, '2'), kDigest(64, 'a');

class HubCacheTest : public testing::Test {
 protected:
  HubCache At(const std::string& revision = "main") const {
    return HubCache(folder_.path("cache"), {"org/name", revision});
  }
  auto LeadsOut() {
    return IsError(absl::StatusCode::kFailedPrecondition, HasSubstr("leads out of the cache"));
  }
  TemporaryFolder folder_;
  const std::string model_ = folder_.path("cache/models--org--name");
};

TEST_F(HubCacheTest, AFileIsALinkToItsBlobUnderTheNamesOfHuggingfaceHub) {
  ASSERT_TRUE(At().Prepare(kCommit).ok());
  folder_.Write("cache/models--org--name/blobs/" + kDigest, "bytes");
  EXPECT_FALSE(*At().Has(kCommit, "config.json"));
  ASSERT_TRUE(At().Link(kCommit, "config.json", kDigest).ok());
  EXPECT_TRUE(*At().Has(kCommit, "config.json"));
  EXPECT_EQ(fs::read_symlink(model_ + "/snapshots/" + kCommit + "/config.json"),
            "../../blobs/" + kDigest);
  EXPECT_EQ(At().Lock(kDigest),
            folder_.path("cache/.locks/models--org--name/" + kDigest + ".lock"));
  EXPECT_THAT(At().Commits(), ElementsAre(kCommit));
}

TEST_F(HubCacheTest, CommitsThatAFailingDiskHidesAreNotThere) {
  ASSERT_TRUE(At().Prepare(kCommit).ok());
  ASSERT_TRUE(At().Prepare(kOther).ok());
  disk_fails = true;
  const auto commits = At().Commits();
  disk_fails = fails_from_now_on = false;
  EXPECT_THAT(commits, testing::SizeIs(1));
  EXPECT_THAT(At().Commits(), ElementsAre(kCommit, kOther));
}

TEST_F(HubCacheTest, ALinkIsReplacedAtOnce) {
  ASSERT_TRUE(At().Prepare(kCommit).ok());
  ASSERT_TRUE(At().Link(kCommit, "config.json", std::string(64, 'b')).ok());
  EXPECT_FALSE(*At().Has(kCommit, "config.json"));  // its blob isn't there
  ASSERT_TRUE(At().Link(kCommit, "config.json", kDigest).ok());
  EXPECT_EQ(fs::read_symlink(At().Snapshot(kCommit) / "config.json"), "../../blobs/" + kDigest);
}

TEST_F(HubCacheTest, ARefSaysWhatARevisionMeant) {
  EXPECT_THAT(At().Commit(), IsError(absl::StatusCode::kNotFound, _));
  ASSERT_TRUE(At().WriteRef(kCommit).ok());
  EXPECT_EQ(*At().Commit(), kCommit);
  ASSERT_TRUE(At().WriteRef(kOther).ok());
  EXPECT_EQ(*At().Commit(), kOther);
  ASSERT_TRUE(At("refs/pr/1").WriteRef(kCommit).ok());
  EXPECT_TRUE(fs::exists(model_ + "/refs/refs/pr/1"));
}

TEST_F(HubCacheTest, ACommitNeedsNoRef) {
  EXPECT_EQ(*At(kCommit).Commit(), kCommit);
  ASSERT_TRUE(At(kCommit).WriteRef(kCommit).ok());
  EXPECT_FALSE(fs::exists(model_ + "/refs"));
}

// Of a server with the same process id: in containers each may be process 1.
TEST_F(HubCacheTest, WhatAServerLeftBehindThatWasKilledIsNotInTheWay) {
  ASSERT_TRUE(At().Prepare(kCommit).ok());
  const std::string link = "cache/models--org--name/snapshots/" + kCommit + "/config.json";
  for (int i = 1; i <= 50; ++i) {
    const std::string end = "." + std::to_string(getpid()) + "." + std::to_string(i) + ".tmp";
    folder_.Write(link + end, "left");
    folder_.Write("cache/models--org--name/refs/main" + end, "left");
  }
  EXPECT_TRUE(At().Link(kCommit, "config.json", kDigest).ok());
  ASSERT_TRUE(At().WriteRef(kCommit).ok());
  EXPECT_EQ(*At().Commit(), kCommit);
  for (const auto& entry : fs::directory_iterator(model_ + "/refs")) {
    EXPECT_TRUE(entry.path().filename() == "main" || fs::file_size(entry) == 4) << entry.path();
  }
}

// It would become a part of a path.
TEST_F(HubCacheTest, ARefThatIsNoCommitIsRefused) {
  folder_.Write("cache/models--org--name/refs/main", "../../../etc");
  EXPECT_THAT(At().Commit(),
              IsError(absl::StatusCode::kInvalidArgument, HasSubstr("not a commit")));
}

TEST_F(HubCacheTest, ALinkOutOfTheCacheIsRefused) {
  ASSERT_TRUE(At().Prepare(kCommit).ok());
  const std::string outside = folder_.Write("outside/config.json", "{}");
  fs::create_symlink(outside, At().Snapshot(kCommit) / "config.json");
  EXPECT_THAT(At().Has(kCommit, "config.json"), LeadsOut());

  folder_.Write("outside/main", kCommit);
  fs::create_symlink(folder_.path("outside"), model_ + "/refs");
  EXPECT_THAT(At().Commit(), LeadsOut());
  EXPECT_THAT(At().WriteRef(kOther), LeadsOut());
  EXPECT_EQ(fs::file_size(folder_.path("outside/main")), 40);
}

TEST_F(HubCacheTest, AFolderThatLeadsOutOfTheCacheIsNotWrittenTo) {
  fs::create_directories(folder_.path("outside"));
  for (const char* part : {"", "/snapshots", "/blobs"}) {
    fs::remove_all(model_);
    fs::create_directories(fs::path(model_ + part).parent_path());
    fs::create_directory_symlink(folder_.path("outside"), model_ + part);
    EXPECT_THAT(At().Prepare(kCommit), LeadsOut()) << part;
  }
  EXPECT_TRUE(fs::is_empty(folder_.path("outside")));
}

TEST_F(HubCacheTest, TheCacheItselfMayBeALinkAndABlobOneIntoAnotherPartOfIt) {
  fs::create_directories(folder_.path("disk"));
  fs::create_directory_symlink(folder_.path("disk"), folder_.path("cache"));
  ASSERT_TRUE(At().Prepare(kCommit).ok());
  // As huggingface_hub 2 shares blobs between models.
  folder_.Write("disk/blobs/ab/shared", "bytes");
  fs::create_symlink("../../blobs/ab/shared", At().Blob(kDigest));
  ASSERT_TRUE(At().Link(kCommit, "config.json", kDigest).ok());
  EXPECT_TRUE(*At().Has(kCommit, "config.json"));
}

TEST_F(HubCacheTest, ACacheThatCantBeWrittenSaysWhatToDo) {
  folder_.Write("cache", "a file");
  EXPECT_THAT(At().Prepare(kCommit),
              IsError(absl::StatusCode::kInternal,
                      testing::AllOf(HasSubstr("can't be written"), HasSubstr("HF_HUB_CACHE"))));
  EXPECT_THAT(CannotWrite("/c", EROFS), IsError(absl::StatusCode::kPermissionDenied,
                                                HasSubstr("HF_HUB_CACHE names another")));
  EXPECT_THAT(CannotWrite("/c", ENOSPC),
              IsError(absl::StatusCode::kResourceExhausted, HasSubstr("on another disk")));
}

}  // namespace
}  // namespace patchserve
