// Whole files into memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"

namespace patchserve {

struct FileBytes {
  std::unique_ptr<uint8_t[]> data;
  size_t size = 0;

  std::string_view text() const { return {reinterpret_cast<const char*>(data.get()), size}; }
};

// Copies a file into memory: a mapping would kill the process if somebody wrote
// over the file. Symbolic links are followed.
// Errors, each naming the path: NOT_FOUND. PERMISSION_DENIED: not readable.
// INVALID_ARGUMENT: not a regular file, or more than max_bytes. INTERNAL: the read
// failed. RESOURCE_EXHAUSTED: no memory.
absl::StatusOr<FileBytes> ReadFile(const std::filesystem::path& path, uint64_t max_bytes);

// Runs `read`, and once more if one of `paths` was replaced or written to meanwhile, or is a
// symbolic link to nothing: a download may be about to put it right. Returns the last result.
absl::Status OnceMoreIfReplaced(const std::vector<std::filesystem::path>& paths,
                                absl::FunctionRef<absl::Status()> read);

}  // namespace patchserve
