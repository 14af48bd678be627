// Which GEMMs there are kernels for. Plain C++.
#pragma once

#include <cstdint>
#include <limits>

#include "server/model/cuda/gemm.h"

namespace patchserve::cuda {

// A card, by its compute capability.
struct GemmDevice {
  int major = 0, minor = 0;
};

constexpr bool TakesGemm(const GemmShape& shape, const GemmDevice& device) {
  // The kernels' instructions are those of 9.0, which later cards don't have either.
  if (device.major != 9 || device.minor != 0) return false;
  // A row begins at a multiple of 16 bytes, as the hardware that copies tiles wants it.
  constexpr int64_t kLargest = std::numeric_limits<int>::max(), kAlignment = 8;
  if (shape.m < 1 || shape.n < 1 || shape.k < 1 || shape.n % kAlignment != 0 ||
      shape.k % kAlignment != 0 || shape.m > kLargest || shape.n > kLargest || shape.k > kLargest) {
    return false;
  }
  return shape.then != GemmThen::kActivationNorm || shape.activation == Activation::kGelu ||
         shape.activation == Activation::kRelu;
}

}  // namespace patchserve::cuda
