// Brings a batch's images from the host's memory to a network's input, on a GPU: plain data.
#pragma once

#include <cstdint>

namespace patchserve::cuda {

enum class ValueType { kFloat32, kBFloat16, kFloat16 };

// A part of a batch. The images lie where decoding wrote them, in memory that is pinned, so that
// the device reads it over the bus: nothing is copied on the host.
//
// Pixels become what a table says; a tensor's values, in planes, are rounded and interleaved.
struct Gather {
  static constexpr int kMostImages = 256;  // the struct is a kernel's argument: up to 4 KiB

  int count = 0;  // of images, up to kMostImages
  ValueType type = ValueType::kFloat32;
  int64_t pixels = 0;           // of an image: height * width
  const void* table = nullptr;  // [256, 3] of `type`: what becomes of each value of each colour
  void* out = nullptr;          // [count, height, width, 3] of `type`, 16-byte aligned
  // By image: uint8 [height, width, 3], or, where `tensor` has its bit, float32 [3, height, width];
  // 16-byte aligned.
  const void* images[kMostImages] = {};
  uint32_t tensor[kMostImages / 32] = {};

  void Add(const void* image, bool is_tensor) {
    if (is_tensor) tensor[count / 32] |= uint32_t{1} << count % 32;
    images[count++] = image;
  }
};

}  // namespace patchserve::cuda
