// LibTorch as the server's backend: the one place that joins an Engine to the server.
#pragma once

#include "absl/status/statusor.h"
#include "server/backend.h"
#include "server/config/config.h"

namespace patchserve {

// To be called once a process, after SetUpLog and before another thread calls LibTorch. The models'
// errors are Engine::Load's. Errors: as ResolveDevice, of config.device.
absl::StatusOr<Backend> OpenTorch(const Config& config);

}  // namespace patchserve
