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

  // uint8 [N, H, W, 3] on the device -> the same in the precision.
  at::Tensor operator()(const at::Tensor& batch) const;

  // [256, 3], on a CPU: what becomes of each value of each colour.
  const at::Tensor& table() const { return table_; }

 private:
  at::Tensor InSteps(const at::Tensor& batch) const;

  at::TensorOptions target_;
  at::Tensor levels_;  // 255, as a tensor: CUDA multiplies by a plain number's inverse
  at::Tensor mean_;    // [3]
  at::Tensor std_;
  at::Tensor table_;
};

}  // namespace patchserve
