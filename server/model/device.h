// Where a network runs, and in which precision.
#pragma once

#include <string>

#include "ATen/core/Tensor.h"
#include "absl/status/statusor.h"
#include "server/model/precision.h"

namespace patchserve {

// The type that `precision` means on `device`. Errors: INVALID_ARGUMENT: float16 on a CPU.
absl::StatusOr<at::ScalarType> ResolvePrecision(Precision precision, const at::Device& device);

// "float32", "bfloat16" or "float16".
std::string NameOf(at::ScalarType type);

}  // namespace patchserve
