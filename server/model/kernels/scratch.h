// Memory that a kernel works in.
#pragma once

#include <cstddef>
#include <memory>
#include <new>

namespace patchserve {

constexpr std::align_val_t kCacheLine{64};

struct FreeScratch {
  void operator()(float* memory) const { ::operator delete(memory, kCacheLine); }
};
using Scratch = std::unique_ptr<float, FreeScratch>;

// Begins at a cache line; not set to anything.
inline Scratch MakeScratch(size_t floats) {
  return Scratch(static_cast<float*>(::operator new(floats * sizeof(float), kCacheLine)));
}

}  // namespace patchserve
