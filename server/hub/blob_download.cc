#include "server/hub/blob_download.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/status.h"
#include "server/hub/digest.h"
#include "server/net/file_descriptor.h"
#include "spdlog/spdlog.h"

namespace patchserve {
namespace {

namespace fs = std::filesystem;

constexpr absl::Duration kAskForLockEvery = absl::Milliseconds(200);

// Held as long as the file is open.
absl::StatusOr<FileDescriptor> Lock(const HubCache& cache, const HubFile& file,
                                    const WaitFunction& wait) {
  const fs::path path = cache.Lock(file.digest);
  FileDescriptor lock(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0664));
  if (lock.get() < 0) return CannotWrite(path, errno);
  bool waits = false;
  while (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EACCES && errno != EINTR) return lock;  // no locks here
    if (!waits) spdlog::info("another process fetches {}: waiting for it", file.name);
    waits = true;
    RETURN_IF_ERROR(wait(kAskForLockEvery));
  }
  return lock;
}

constexpr uint64_t kMegabyte = 1'000'000;

absl::Status CheckSpace(const fs::path& folder, int64_t needed) {
  struct statvfs disk;
  if (statvfs(folder.c_str(), &disk) != 0) return absl::OkStatus();
  const uint64_t free = static_cast<uint64_t>(disk.f_bavail) * disk.f_frsize;
  if (needed < 0 || free >= static_cast<uint64_t>(needed)) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat(folder.string(), " has ", free / kMegabyte, " MB free, ",
                   (needed + kMegabyte - 1) / kMegabyte,
                   " MB are needed: make room, or name another folder by HF_HUB_CACHE"));
}

absl::StatusOr<bool> IsWhole(const HubCache& cache, const HubFile& file) {
  const fs::path blob = cache.Blob(file.digest);
  RETURN_IF_ERROR(cache.CheckInside(blob));
  std::error_code error;
  return fs::file_size(blob, error) == static_cast<uintmax_t>(file.size) && !error;
}

// The bytes that have come, in a file that isn't the blob yet.
class Incomplete {
 public:
  Incomplete(fs::path path, const HubFile& file)
      : path_(std::move(path)),
        expected_(file),
        file_(open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666)) {}

  absl::Status opened() const {
    return file_.get() < 0 ? CannotWrite(path_, errno) : absl::OkStatus();
  }
  int64_t size() const { return size_; }

  // Takes what an earlier process left, if it can be the start of the file. CANCELLED.
  absl::Status Resume(const std::atomic<bool>& cancelled) {
    Restart();
    struct stat info;
    if (fstat(file_.get(), &info) != 0 || info.st_size > expected_.size) return absl::OkStatus();
    std::vector<char> buffer(1 << 20);
    while (size_ < info.st_size) {
      if (cancelled) return absl::CancelledError("stopped while fetching");
      const ssize_t got = pread(file_.get(), buffer.data(), buffer.size(), size_);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) break;
      digest_->Add({buffer.data(), static_cast<size_t>(got)});
      size_ += got;
    }
    return absl::OkStatus();
  }

  void Restart() {
    digest_.emplace(expected_.digest, expected_.size);
    size_ = 0;
  }

  // Nothing is cut off before the end: where locks don't work, another process may read it.
  absl::Status Write(int64_t offset, absl::string_view piece) {
    if (offset == 0 && size_ > 0) Restart();  // the server sends it from its start
    if (offset != size_ || size_ + static_cast<int64_t>(piece.size()) > expected_.size) {
      return absl::UnavailableError(absl::StrCat("the hub sends other bytes of ", expected_.name,
                                                 " than it announced: more than ", expected_.size));
    }
    digest_->Add(piece);
    while (!piece.empty()) {
      const ssize_t written = pwrite(file_.get(), piece.data(), piece.size(), size_);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return CannotWrite(path_, errno);
      piece.remove_prefix(written);
      size_ += written;
    }
    return absl::OkStatus();
  }

  // Makes it the blob. DATA_LOSS: it isn't what it should be, and is gone. UNAVAILABLE: the name is
  // another file's by now.
  absl::Status Finish(const fs::path& blob) {
    if (const std::string got = digest_->Finish(); got != expected_.digest) {
      unlink(path_.c_str());
      return absl::DataLossError(absl::StrCat(expected_.name, " of commit ", expected_.commit,
                                              " came damaged: its hash is ", got, ", not ",
                                              expected_.digest, " (does a proxy change it?)"));
    }
    if (ftruncate(file_.get(), size_) != 0 || fsync(file_.get()) != 0) {
      return CannotWrite(path_, errno);
    }
    if (!IsStillThere()) {
      return absl::UnavailableError(absl::StrCat("another process took ", path_.string(), " away"));
    }
    if (rename(path_.c_str(), blob.c_str()) != 0) return CannotWrite(blob, errno);
    return absl::OkStatus();
  }

 private:
  // Not so where locks don't work, and another process has finished or begun anew.
  bool IsStillThere() const {
    struct stat opened, named;
    return fstat(file_.get(), &opened) == 0 && lstat(path_.c_str(), &named) == 0 &&
           opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
  }

  const fs::path path_;
  const HubFile& expected_;
  const FileDescriptor file_;
  std::optional<Digest> digest_;
  int64_t size_ = 0;
};

// From where it is to its end, try by try.
absl::Status ReadAll(const HubFile& file, const BlobDownload& how, Incomplete& incomplete) {
  Retries retries(kMostTries, how.wait);
  int64_t furthest = incomplete.size();
  while (incomplete.size() < file.size) {
    const int64_t before = incomplete.size();
    absl::Status read = how.read(before, [&](int64_t offset, absl::string_view piece) {
      RETURN_IF_ERROR(incomplete.Write(offset, piece));
      how.progress(incomplete.size());
      return absl::OkStatus();
    });
    if (read.ok() && incomplete.size() < file.size) {
      read = absl::UnavailableError(
          absl::StrCat(file.name, " ended after ", incomplete.size(), " of ", file.size, " bytes"));
    }
    if (read.ok()) break;
    // Not by bytes that came before: a server may send the file from its start each time.
    if (incomplete.size() > furthest) retries.Reset();
    furthest = std::max(furthest, incomplete.size());
    RETURN_IF_ERROR(retries.Again(read));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status DownloadBlob(const HubCache& cache, const HubFile& file, const BlobDownload& how) {
  const fs::path blob = cache.Blob(file.digest);
  ASSIGN_OR_RETURN(bool whole, IsWhole(cache, file));
  if (whole) return absl::OkStatus();
  ASSIGN_OR_RETURN(const FileDescriptor lock, Lock(cache, file, how.wait));
  absl::Status status;
  for (int whole_tries = 0;; ++whole_tries) {
    ASSIGN_OR_RETURN(whole, IsWhole(cache, file));
    if (whole) return absl::OkStatus();  // another process was first
    if (whole_tries == 2) return status;
    Incomplete incomplete(absl::StrCat(blob.string(), ".incomplete"), file);
    RETURN_IF_ERROR(incomplete.opened());
    RETURN_IF_ERROR(incomplete.Resume(how.cancelled));
    RETURN_IF_ERROR(CheckSpace(blob.parent_path(), file.size - incomplete.size()));
    RETURN_IF_ERROR(ReadAll(file, how, incomplete));
    status = incomplete.Finish(blob);
    if (!absl::IsDataLoss(status) && !absl::IsUnavailable(status)) return status;
    spdlog::warn("{}; fetching it once more", std::string(status.message()));
  }
}

}  // namespace patchserve
