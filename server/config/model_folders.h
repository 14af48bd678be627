// Finds the checkpoint folders that --models means.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace patchserve {

struct ModelFolder {
  std::string name;
  std::string folder;
};

// `argument` is a checkpoint folder (named by its last component), a folder of such
// folders (one level down, each named by its own name; others are passed over), or
// NAME=FOLDER. Symbolic links are followed.
// Errors: NOT_FOUND: no such folder, or no checkpoint in it. INVALID_ARGUMENT: a
// name that isn't [A-Za-z0-9._-]+.
absl::StatusOr<std::vector<ModelFolder>> FindModelFolders(const std::string& argument);

absl::Status CheckModelName(const std::string& name);

}  // namespace patchserve
