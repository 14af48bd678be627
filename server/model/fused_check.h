// A network by our own kernels beside the same one in LibTorch's steps: is it as exact?
#pragma once

#include <cstdint>
#include <string>

#include "ATen/core/Tensor.h"
#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "server/image/preprocessing.h"
#include "server/model/network.h"

namespace patchserve {

// What networks are compared on: the photo, input.bytes() of RGB, and noise. [2, H, W, 3],
// normalised, float32 on the CPU.
at::Tensor CheckPictures(const uint8_t* photo, const Preprocessing& input);

// Puts a network together for a target, in LibTorch's steps, without kernels of our own.
using MakeInSteps =
    absl::FunctionRef<absl::StatusOr<NetworkFunction>(const at::TensorOptions& target)>;

// -> `network`, which is for `target`, if it is as exact as the same network in steps; else that
// one, after a warning of LibTorch's that begins with `name`.
//
// Both are run with the pictures, `network` also in a batch that is large enough for the kernels of
// large ones. `in_steps` is called once for float32, whose answer counts as exact, and once for
// `target`. The one of float32 is gone before the other comes, so that the device's memory holds
// one of them besides `network`.
//
// Rounding is all that may differ, and each way of computing rounds in other places: so the error
// of the logits and embeddings, over all their values, may be twice that of the steps, and 2^-8
// more. What is wrong is off by far more, or isn't a number. A network that throws, or whose
// comparison has no memory, is served in steps, too. Errors: what in_steps gives for `target`.
// UNAVAILABLE: the device is lost.
absl::StatusOr<NetworkFunction> FusedIfRight(const NetworkFunction& network, MakeInSteps in_steps,
                                             const at::TensorOptions& target,
                                             const at::Tensor& pictures, const std::string& name);

}  // namespace patchserve
