#include "server/base/read_file.h"

#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <iterator>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace patchserve {

absl::StatusOr<std::string> ReadWholeFile(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  file.peek();  // of a folder it makes the file bad, where the iterator would throw
  std::string contents;
  if (!file.bad()) contents.assign(std::istreambuf_iterator<char>(file), {});
  if (file.is_open() && !file.bad()) return contents;
  if (errno == EACCES) {
    return absl::PermissionDeniedError(
        absl::StrCat(path, " can't be read by user ", geteuid(), ", whom this process runs as"));
  }
  return absl::NotFoundError(absl::StrCat(path, ": no such file, or not a file"));
}

}  // namespace patchserve
