// Finds the checkpoints that --models means.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace patchserve {

struct ModelFolder {
  std::string name;
  std::string folder;  // or hf://ORG/NAME[@REVISION]
};

// `argument` is a checkpoint folder (named by its last component), a folder of such
// folders (one level down, each named by its own name; others are passed over, and hidden
// ones), a model of a hub (hub/model_id.h; named by its NAME, and not looked for here), or
// NAME=FOLDER or NAME=hf://... An existing folder whose path has a "=" is that folder, and a name
// has no "/". Symbolic links are followed.
// Errors: NOT_FOUND: no such folder, or no checkpoint in it. INVALID_ARGUMENT: a
// name that isn't [A-Za-z0-9._-]+, or no model of a hub after hf://.
absl::StatusOr<std::vector<ModelFolder>> FindModelFolders(const std::string& argument);

// Joins again what a list of arguments, parted by commas, tore apart: "lr=0.1", "bs=32/vit"
// are one where a folder "lr=0.1,bs=32/vit" exists.
std::vector<std::string> RejoinFolders(const std::vector<std::string>& parts);

absl::Status CheckModelName(const std::string& name);

}  // namespace patchserve
