// --tls, --tls_ca, --tls_cert, --tls_key, --tls_server_name and --token_file, for the
// client's programs.
#pragma once

#include "absl/status/statusor.h"
#include "client/security.h"

namespace patchserve {

// Reads the files that the flags name.
// Errors: INVALID_ARGUMENT: flags that don't go together. What ReadInput says of a file,
// naming the flag.
absl::StatusOr<Security> ReadSecurityFlags();

}  // namespace patchserve
