// The last step from pixels to a network's input.
#pragma once

#include "ATen/core/Tensor.h"
#include "server/image/preprocessing.h"

namespace patchserve {

// (x / 255 - mean) / std in float32, in the order of torchvision's ToTensor and
// Normalize: equal bits. Thread-safe.
class Normalization {
 public:
  // `target`: the network's device and precision.
  Normalization(const Preprocessing& preprocessing, const at::TensorOptions& target);

  // uint8 [N, H, W, 3] on the device -> [N, 3, H, W], channels last, in the precision.
  at::Tensor operator()(const at::Tensor& batch) const;

 private:
  at::TensorOptions target_;
  at::Tensor levels_;  // 255, as a tensor: CUDA multiplies by a plain number's inverse
  at::Tensor mean_;    // [1, 3, 1, 1]
  at::Tensor std_;
};

}  // namespace patchserve
