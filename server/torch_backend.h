// LibTorch as the server's backend: the one place that joins an Engine to the server.
#pragma once

#include "absl/status/statusor.h"
#include "server/backend.h"
#include "server/config/config.h"

namespace patchserve {

// Starts the program anew with OMP_WAIT_POLICY=PASSIVE, if nothing is set: libgomp looks only while
// it is loaded, and its threads that wait would keep cores busy. Else batches have one thread each.
void LetIdleThreadsSleep(char** argv);

// To be called once a process, after SetUpLog and before another thread calls LibTorch. The models'
// errors are Engine::Load's. Errors: as ResolveDevice, of config.device.
absl::StatusOr<Backend> OpenTorch(const Config& config);

}  // namespace patchserve
