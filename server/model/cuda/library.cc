#include "server/model/cuda/library.h"

#include <dlfcn.h>

#include "absl/strings/str_cat.h"

namespace patchserve::cuda {

absl::StatusOr<const Kernels*> LoadKernels(const std::string& library) {
  // What isn't found yet is LibTorch's: now is better than at the first call.
  void* const loaded = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (loaded == nullptr) return absl::NotFoundError(dlerror());
  const auto table = reinterpret_cast<const Kernels* (*)()>(dlsym(loaded, "PatchserveCudaKernels"));
  if (table == nullptr || table()->size != sizeof(Kernels)) {
    return absl::FailedPreconditionError(
        absl::StrCat(library, " isn't of the same build as this program"));
  }
  return table();
}

}  // namespace patchserve::cuda
