// LibTorch's own messages.
#pragma once

#include <functional>
#include <string>

namespace patchserve {

// Where LibTorch's warnings go, instead of to stderr. `write` is called on the thread that warns.
// Once a process, before another thread calls LibTorch.
void SendTorchWarnings(std::function<void(const std::string&)> write);

// LibTorch keeps its handler by thread: each thread that calls it needs this once. Does nothing
// without SendTorchWarnings.
void SendTorchWarningsOfThisThread();

}  // namespace patchserve
