// The server's flags from its environment: PATCHSERVE_MAX_BATCH=16 is --max_batch=16.
#pragma once

#include "absl/status/status.h"

namespace patchserve {

// Sets each of the flags that `--help` shows from its variable, if that is among `environment`:
// "NAME=VALUE" strings, and a null after the last, as `environ`. What the command line says wins if
// it is parsed afterwards.
//
// Left alone are other names than PATCHSERVE_*, the build's PATCHSERVE_DEPS and PATCHSERVE_CUDA,
// and what Kubernetes says of a service whose name begins with "patchserve"
// (PATCHSERVE_SERVICE_HOST, PATCHSERVE_PORT_8001_TCP_ADDR ...). Errors: INVALID_ARGUMENT: no such
// flag, naming the nearest, or a value that it can't have.
absl::Status SetFlagsFromEnvironment(const char* const* environment);

}  // namespace patchserve
