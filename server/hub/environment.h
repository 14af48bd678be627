// Where a hub is, and where its models are kept: the variables that Python's huggingface_hub reads.
#pragma once

#include <filesystem>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"

namespace patchserve {

struct HubEnvironment {
  std::string endpoint;         // HF_ENDPOINT, without a login, or a slash at its end
  std::string login;            // HF_ENDPOINT's "user:password", sent to it alone; may be empty
  std::string token;            // HF_TOKEN, or what the token file holds; may be empty
  std::filesystem::path cache;  // HF_HUB_CACHE, $HF_HOME/hub or ~/.cache/huggingface/hub
  bool offline = false;         // HF_HUB_OFFLINE
  std::string authorities;      // SSL_CERT_FILE, a file of certificates; empty: the system's
};

// `variable` gives a variable's value, or null, as getenv does. The token file is $HF_TOKEN_PATH or
// $HF_HOME/token; it need not be there.
// Errors: INVALID_ARGUMENT: an endpoint that isn't http:// or https://, a token that isn't one
// line, no home folder for the cache. PERMISSION_DENIED: $HF_TOKEN_PATH can't be read; without
// $HF_HOME/token the server goes on, with a warning.
absl::StatusOr<HubEnvironment> ReadHubEnvironment(
    absl::FunctionRef<const char*(const char* name)> variable);

}  // namespace patchserve
