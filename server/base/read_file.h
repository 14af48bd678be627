// A small file as a string.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace patchserve {

// Errors: NOT_FOUND, or PERMISSION_DENIED, which names the user that this process runs as.
absl::StatusOr<std::string> ReadWholeFile(const std::string& path);

}  // namespace patchserve
