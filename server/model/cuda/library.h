// Finds our own kernels for NVIDIA GPUs at run time.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "server/model/cuda/kernels.h"

namespace patchserve::cuda {

// The table of a library, which stays loaded. LibTorch's CUDA part must have been loaded before.
// Thread-safe. `library`: a path, or a name that is looked for beside the program first.
// Errors: NOT_FOUND: it doesn't load, and why; FAILED_PRECONDITION: it is another build's.
absl::StatusOr<const Kernels*> LoadKernels(const std::string& library = "libpatchserve_cuda.so");

}  // namespace patchserve::cuda
