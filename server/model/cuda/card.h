// Which cards the library has code for. Plain C++.
#pragma once

namespace patchserve::cuda {

// By the first number of a card's compute capability: code for 8.x runs on no 9.x, nor the other
// way round, and later cards have another.
constexpr bool HasCode(int major) {
#ifdef PATCHSERVE_CUDA_QUICK
  return major == 9;
#else
  return major == 8 || major == 9;
#endif
}

}  // namespace patchserve::cuda
