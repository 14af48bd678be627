#include "server/hub/cache.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "server/base/quote.h"
#include "server/base/read_file.h"
#include "server/base/status.h"

namespace patchserve {
namespace {

namespace fs = std::filesystem;

// A name beside `path` that no other thread or process uses.
fs::path Beside(const fs::path& path) {
  static std::atomic<int> count = 0;
  fs::path other = path;
  return other += absl::StrCat(".", getpid(), ".", ++count, ".tmp");
}

absl::Status Rename(const fs::path& from, const fs::path& to) {
  if (rename(from.c_str(), to.c_str()) == 0) return absl::OkStatus();
  const int error = errno;
  unlink(from.c_str());
  return CannotWrite(to, error);
}

}  // namespace

absl::Status CannotWrite(const fs::path& path, int error) {
  const std::string what = absl::StrCat(path.string(), " can't be written: ", strerror(error));
  switch (error) {
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(absl::StrCat(
          what, " (user ", geteuid(), "; HF_HUB_CACHE names another folder for models of a hub)"));
    case ENOSPC:
    case EDQUOT:
      return absl::ResourceExhaustedError(
          absl::StrCat(what, " (HF_HUB_CACHE names a folder on another disk)"));
    default:
      return absl::InternalError(what);
  }
}

HubCache::HubCache(const fs::path& cache, const HubModelId& id)
    : root_(cache),
      folder_(absl::StrCat("models--", absl::StrReplaceAll(id.repository, {{"/", "--"}}))),
      revision_(id.revision) {}

fs::path HubCache::Ref() const { return root_ / folder_ / "refs" / revision_; }

fs::path HubCache::Snapshot(const std::string& commit) const {
  return root_ / folder_ / "snapshots" / commit;
}

fs::path HubCache::Blob(const std::string& digest) const {
  return root_ / folder_ / "blobs" / digest;
}

fs::path HubCache::Lock(const std::string& digest) const {
  return root_ / ".locks" / folder_ / absl::StrCat(digest, ".lock");
}

absl::StatusOr<std::string> HubCache::Commit() const {
  if (IsCommit(revision_)) return revision_;
  RETURN_IF_ERROR(CheckInside(Ref()));
  ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(Ref()));
  std::string commit(absl::StripAsciiWhitespace(text));
  if (IsCommit(commit)) return commit;
  return absl::InvalidArgumentError(
      absl::StrCat(Ref().string(), " holds ", Quote(text), ", not a commit"));
}

std::vector<std::string> HubCache::Commits() const {
  std::vector<std::string> commits;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(root_ / folder_ / "snapshots", ignored)) {
    commits.push_back(entry.path().filename());
  }
  std::sort(commits.begin(), commits.end());
  return commits;
}

// Links inside of the cache are how it works; the cache itself may be a link to another disk.
absl::Status HubCache::CheckInside(const fs::path& path) const {
  std::error_code error;
  const fs::path root = fs::canonical(root_, error);
  if (error) return absl::OkStatus();  // nothing is there
  const fs::path target = fs::weakly_canonical(path, error);
  const auto [end, ignored] = std::mismatch(root.begin(), root.end(), target.begin(), target.end());
  if (!error && end == root.end()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(path.string(), " leads out of the cache ",
                                                    root_.string(), ", to ", target.string()));
}

absl::StatusOr<bool> HubCache::Has(const std::string& commit, const std::string& file) const {
  const fs::path path = Snapshot(commit) / file;
  std::error_code error;
  if (!fs::exists(path, error)) return false;
  RETURN_IF_ERROR(CheckInside(path));
  return fs::is_regular_file(path, error);
}

absl::Status HubCache::Make(const fs::path& folder) const {
  RETURN_IF_ERROR(CheckInside(folder));
  std::error_code error;
  fs::create_directories(folder, error);
  return error ? CannotWrite(folder, error.value()) : absl::OkStatus();
}

absl::Status HubCache::Prepare(const std::string& commit) const {
  RETURN_IF_ERROR(Make(Snapshot(commit)));
  RETURN_IF_ERROR(Make(Blob("").parent_path()));
  return Make(Lock("").parent_path());
}

absl::Status HubCache::Link(const std::string& commit, const std::string& file,
                            const std::string& digest) const {
  const fs::path link = Snapshot(commit) / file;
  const fs::path next = Beside(link);
  if (symlink(absl::StrCat("../../blobs/", digest).c_str(), next.c_str()) != 0) {
    return CannotWrite(next, errno);
  }
  return Rename(next, link);
}

absl::Status HubCache::WriteRef(const std::string& commit) const {
  if (const auto now = Commit(); now.ok() && *now == commit) return absl::OkStatus();
  RETURN_IF_ERROR(Make(Ref().parent_path()));
  const fs::path next = Beside(Ref());
  errno = 0;
  if (!(std::ofstream(next) << commit << std::flush)) return CannotWrite(next, errno);
  return Rename(next, Ref());
}

}  // namespace patchserve
