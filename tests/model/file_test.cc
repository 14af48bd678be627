#include "server/model/file.h"

#include <sys/stat.h>
#include <unistd.h>

#include "server/model/version.h"
#include "tests/model/status_matchers.h"
#include "tests/temporary_folder.h"

namespace patchserve {
namespace {

using testing::HasSubstr;

TEST(FileTest, ReadsThroughASymbolicLink) {
  const TemporaryFolder folder;
  folder.Write("file", "bytes");
  std::filesystem::create_symlink("file", folder.path("link"));

  const auto bytes = ReadFile(folder.path("link"), 5);
  ASSERT_TRUE(bytes.ok());
  EXPECT_EQ(bytes->text(), "bytes");
}

TEST(FileTest, AMissingFileIsNotFoundAndNamed) {
  EXPECT_THAT(ReadFile("/nowhere/config.json", 10),
              IsError(absl::StatusCode::kNotFound, HasSubstr("/nowhere/config.json")));
}

TEST(FileTest, AFileThatChangesWhileItIsReadIsReadAgain) {
  const TemporaryFolder folder;
  const std::string path = folder.Write("file", "old");
  for (bool rename : {false, true}) {
    int reads = 0;
    std::string text;
    const absl::Status status = OnceMoreIfReplaced({path}, [&] {
      text = ReadFile(path, 100)->text();
      if (++reads == 1) {
        folder.Write(rename ? "next" : "file", rename ? "renamed" : "written");
        if (rename) std::filesystem::rename(folder.path("next"), path);
      }
      return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok());
    EXPECT_EQ(reads, 2);
    EXPECT_EQ(text, rename ? "renamed" : "written");
  }
}

// The hub's cache moves a file to where its link points.
TEST(FileTest, ALinkToNothingIsTriedAgain) {
  const TemporaryFolder folder;
  const std::string link = folder.path("link");
  std::filesystem::create_symlink("blob", link);
  int reads = 0;
  const absl::Status status = OnceMoreIfReplaced({link}, [&] {
    absl::Status read = ReadFile(link, 100).status();
    ++reads;
    return read;
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(reads, 2);
}

TEST(FileTest, AFileThatStaysIsReadOnce) {
  const TemporaryFolder folder;
  const std::string path = folder.Write("file", "bytes");
  for (const std::string& name : {path, folder.path("missing")}) {
    int reads = 0;
    (void)OnceMoreIfReplaced({name}, [&] {
      ++reads;
      return ReadFile(name, 100).status();
    });
    EXPECT_EQ(reads, 1);
  }
}

TEST(FileTest, AnUnreadableFileIsDeniedWithAHint) {
  if (geteuid() == 0) GTEST_SKIP() << "root may read everything";
  const TemporaryFolder folder;
  folder.Write("file", "bytes");
  chmod(folder.path("file").c_str(), 0);
  EXPECT_THAT(ReadFile(folder.path("file"), 10),
              IsError(absl::StatusCode::kPermissionDenied, HasSubstr("chmod")));
}

TEST(FileTest, AFileLargerThanAllowedIsRefused) {
  const TemporaryFolder folder;
  folder.Write("file", "bytes");
  EXPECT_THAT(ReadFile(folder.path("file"), 4),
              IsError(absl::StatusCode::kInvalidArgument, HasSubstr("5 bytes, more than 4")));
}

TEST(FileTest, AFolderOrAPipeIsNotAFile) {
  const TemporaryFolder folder;
  ASSERT_EQ(mkfifo(folder.path("pipe").c_str(), 0600), 0);
  EXPECT_THAT(ReadFile(folder.path(), 10),
              IsError(absl::StatusCode::kInvalidArgument, HasSubstr("not a regular file")));
  EXPECT_THAT(ReadFile(folder.path("pipe"), 10),
              IsError(absl::StatusCode::kInvalidArgument, HasSubstr("not a regular file")));
}

TEST(FileTest, IsTheStartOfSha256OverBothFiles) {
  // printf abc | sha256sum
  EXPECT_EQ(VersionOf("a", {"bc"}), "ba7816bf8f01");
  EXPECT_EQ(VersionOf("ab", {"c"}), "ba7816bf8f01");
}

}  // namespace
}  // namespace patchserve
