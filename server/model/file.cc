#include "server/model/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <new>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace patchserve {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

absl::Status CannotOpen(const std::string& path, int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return absl::NotFoundError(absl::StrCat(path, ": no such file"));
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(
          absl::StrCat(path, ": not readable by user ", geteuid(),
                       " (safetensors' Python writer leaves mode 0600: chmod a+r it)"));
    default:
      return absl::InternalError(absl::StrCat(path, ": ", std::strerror(error)));
  }
}

// What changes when a path comes to mean another file, or the file's bytes change.
using Identity = std::array<int64_t, 5>;

Identity IdentityOf(const std::filesystem::path& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return {};
  return {static_cast<int64_t>(info.st_dev), static_cast<int64_t>(info.st_ino), info.st_size,
          info.st_mtim.tv_sec, info.st_mtim.tv_nsec};
}

std::vector<Identity> IdentitiesOf(const std::vector<std::filesystem::path>& paths) {
  std::vector<Identity> identities;
  for (const auto& path : paths) identities.push_back(IdentityOf(path));
  return identities;
}

bool IsDanglingLink(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::is_symlink(path, ignored) && !std::filesystem::exists(path, ignored);
}

}  // namespace

absl::Status OnceMoreIfReplaced(const std::vector<std::filesystem::path>& paths,
                                absl::FunctionRef<absl::Status()> read) {
  const std::vector<Identity> before = IdentitiesOf(paths);
  absl::Status status = read();
  const bool dangling = std::any_of(paths.begin(), paths.end(), IsDanglingLink);
  if (dangling) absl::SleepFor(absl::Milliseconds(200));  // for the link's target to be moved there
  return dangling || IdentitiesOf(paths) != before ? read() : status;
}

absl::StatusOr<FileBytes> ReadFile(const std::filesystem::path& path, uint64_t max_bytes) {
  // O_NONBLOCK: opening a named pipe would wait for a writer.
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) return CannotOpen(path.string(), errno);

  struct stat info;
  if (fstat(file.get(), &info) != 0) return CannotOpen(path.string(), errno);
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(path.string(), ": not a regular file"));
  }
  const uint64_t size = info.st_size;
  if (size > max_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(path.string(), ": ", size, " bytes, more than ", max_bytes));
  }

  FileBytes bytes;
  bytes.data.reset(new (std::nothrow) uint8_t[size]);
  if (!bytes.data) {
    return absl::ResourceExhaustedError(
        absl::StrCat(path.string(), ": no memory for its ", size, " bytes"));
  }
  while (bytes.size < size) {
    const ssize_t got = read(file.get(), bytes.data.get() + bytes.size, size - bytes.size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return CannotOpen(path.string(), errno);
    if (got == 0) break;  // shortened while we read; what there is will be checked
    bytes.size += got;
  }
  return bytes;
}

}  // namespace patchserve
