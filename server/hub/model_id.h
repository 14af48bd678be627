// The name of a model on a hub: hf://ORG/NAME[@REVISION].
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace patchserve {

struct HubModelId {
  std::string repository;         // "ORG/NAME"
  std::string revision = "main";  // a branch, a tag or a commit

  // NAME: what the model is called where nothing else is said.
  std::string name() const;
  std::string text() const;  // "ORG/NAME@REVISION", for messages
};

// Whether it begins with "hf://".
bool IsHubModel(absl::string_view text);

// ORG and NAME: letters, digits, '.', '_' and '-', neither first nor last a '.' or a '-', no ".."
// and no "--", together at most 96. REVISION: what git allows of these and of '/' and '+'.
// So neither leaves the folder that a cache has for it, and neither needs an escape in a URL but
// '/' and '+'. Errors: INVALID_ARGUMENT, which says what a good one looks like.
absl::StatusOr<HubModelId> ParseHubModelId(absl::string_view text);

// 40 digits of hexadecimal, in lower case.
bool IsCommit(absl::string_view text);

}  // namespace patchserve
