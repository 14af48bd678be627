#include "server/model/file.h"

#include <sys/stat.h>
#include <unistd.h>

#include "server/model/version.h"
#include "tests/model/status_matchers.h"
#include "tests/temporary_folder.h"

namespace patchserve {
namespace {

using testing::HasSubstr;

TEST(ReadFileTest, ReadsThroughASymbolicLink) {
  const TemporaryFolder folder;
  folder.Write("file", "bytes");
  std::filesystem::create_symlink("file", folder.path("link"));

  const auto bytes = ReadFile(folder.path("link"), 5);
  ASSERT_TRUE(bytes.ok());
  EXPECT_EQ(bytes->text(), "bytes");
}

TEST(ReadFileTest, AMissingFileIsNotFoundAndNamed) {
  EXPECT_THAT(ReadFile("/nowhere/config.json", 10),
              IsError(absl::StatusCode::kNotFound, HasSubstr("/nowhere/config.json")));
}

TEST(ReadFileTest, AnUnreadableFileIsDeniedWithAHint) {
  if (geteuid() == 0) GTEST_SKIP() << "root may read everything";
  const TemporaryFolder folder;
  folder.Write("file", "bytes");
  chmod(folder.path("file").c_str(), 0);
  EXPECT_THAT(ReadFile(folder.path("file"), 10),
              IsError(absl::StatusCode::kPermissionDenied, HasSubstr("chmod")));
}

TEST(ReadFileTest, AFileLargerThanAllowedIsRefused) {
  const TemporaryFolder folder;
  folder.Write("file", "bytes");
  EXPECT_THAT(ReadFile(folder.path("file"), 4),
              IsError(absl::StatusCode::kInvalidArgument, HasSubstr("5 bytes, more than 4")));
}

TEST(ReadFileTest, AFolderOrAPipeIsNotAFile) {
  const TemporaryFolder folder;
  ASSERT_EQ(mkfifo(folder.path("pipe").c_str(), 0600), 0);
  EXPECT_THAT(ReadFile(folder.path(), 10),
              IsError(absl::StatusCode::kInvalidArgument, HasSubstr("not a regular file")));
  EXPECT_THAT(ReadFile(folder.path("pipe"), 10),
              IsError(absl::StatusCode::kInvalidArgument, HasSubstr("not a regular file")));
}

TEST(VersionTest, IsTheStartOfSha256OverBothFiles) {
  // printf abc | sha256sum
  EXPECT_EQ(VersionOf("a", "bc"), "ba7816bf8f01");
  EXPECT_EQ(VersionOf("ab", "c"), "ba7816bf8f01");
}

}  // namespace
}  // namespace patchserve
