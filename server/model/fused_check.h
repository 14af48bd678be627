// A network by our own kernels beside the same one in LibTorch's steps: is it as exact?
#pragma once

#include "ATen/core/Tensor.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/image/preprocessing.h"
#include "server/model/network.h"

namespace patchserve {

// Runs `network`, which is for `target`, with a picture of waves and one of noise, alone and in a
// batch that is large enough for the kernels of large ones. `in_steps` puts the same network
// together for a target, without kernels of our own: once for float32, whose answer counts as
// exact, and once for `target`. They are run one after the other, so that the device's memory holds
// one of them besides `network`.
//
// Rounding is all that may differ, and each way of computing rounds in other places: so the error
// of the logits and embeddings, over all their values, may be twice that of the steps, and 2^-8
// more. What is wrong is off by far more, or isn't a number. Errors: INTERNAL: it is off by more.
// What in_steps gives. RESOURCE_EXHAUSTED: no memory for it; UNAVAILABLE, INTERNAL: as StatusOf has
// it, of what a network threw.
absl::Status CheckFused(
    const NetworkFunction& network,
    absl::FunctionRef<absl::StatusOr<NetworkFunction>(const at::TensorOptions& target)> in_steps,
    const at::TensorOptions& target, const Preprocessing& input);

}  // namespace patchserve
