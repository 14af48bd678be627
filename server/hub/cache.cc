#include "server/hub/cache.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <random>
#include <system_error>

#include "absl/functional/function_ref.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "server/base/quote.h"
#include "server/base/read_file.h"
#include "server/base/status.h"
#include "server/net/file_descriptor.h"

namespace patchserve {
namespace {

namespace fs = std::filesystem;

// What `make` made beside `path`, under a name that was free; `make` is false, with errno, where it
// failed. By chance, not by process: in containers every server may be process 1.
absl::StatusOr<fs::path> MakeBeside(const fs::path& path,
                                    absl::FunctionRef<bool(const char* name)> make) {
  std::random_device random;
  while (true) {
    fs::path other = path;
    other += absl::StrCat(".", uint64_t{random()} << 32 | random(), ".tmp");
    if (make(other.c_str())) return other;
    if (errno != EEXIST) return CannotWrite(other, errno);
  }
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
      return absl::InternalError(
          absl::StrCat(what, " (HF_HUB_CACHE names another folder for models of a hub)"));
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
  std::error_code error;  // what can't be read of the folder, isn't there
  for (fs::directory_iterator it(root_ / folder_ / "snapshots", error), end; it != end;
       it.increment(error)) {
    commits.push_back(it->path().filename());
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
  const std::string target = absl::StrCat("../../blobs/", digest);
  ASSIGN_OR_RETURN(const fs::path next, MakeBeside(link, [&](const char* name) {
                     return symlink(target.c_str(), name) == 0;
                   }));
  return Rename(next, link);
}

absl::Status HubCache::WriteRef(const std::string& commit) const {
  if (const auto now = Commit(); now.ok() && *now == commit) return absl::OkStatus();
  RETURN_IF_ERROR(Make(Ref().parent_path()));
  FileDescriptor file(-1);
  ASSIGN_OR_RETURN(const fs::path next, MakeBeside(Ref(), [&](const char* name) {
                     file =
                         FileDescriptor(open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
                     return file.get() >= 0;
                   }));
  if (write(file.get(), commit.data(), commit.size()) != static_cast<ssize_t>(commit.size())) {
    const int error = errno;
    unlink(next.c_str());
    return CannotWrite(next, error);
  }
  return Rename(next, Ref());
}

}  // namespace patchserve
