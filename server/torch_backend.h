// LibTorch as the server's backend: the one place that joins an Engine to the server.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "server/backend.h"

namespace patchserve {

// `device`: "auto", "cpu", "cuda" or "cuda:N". To be called once a process, after SetUpLog and
// before another thread calls LibTorch. The models' errors are Engine::Load's.
// Errors: as ResolveDevice.
absl::StatusOr<Backend> OpenTorch(const std::string& device);

}  // namespace patchserve
