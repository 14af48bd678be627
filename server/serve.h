// The process: flags, signals, Server::Start, wait, Server::Stop.
#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "server/backend.h"

namespace patchserve {

// Does what main does, on the backend that `open` gives, and ends the process.
[[noreturn]] void Serve(int argc, char** argv,
                        const std::function<absl::StatusOr<Backend>(const Config& config)>& open);

}  // namespace patchserve
