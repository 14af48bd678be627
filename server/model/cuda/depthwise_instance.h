// The depthwise kernels by what they are compiled for. A file is compiled for each size of the
// convolution and each number of channel groups (CMakeLists.txt).
#pragma once

#include "server/model/cuda/curves.h"
#include "server/model/cuda/depthwise.h"

namespace patchserve::cuda {

constexpr int kLeastKernel = 3, kLargestKernel = 9;

// Large blocks have memory accesses of 64 bytes, small ones of 32, and there are more of them.
constexpr int kLargeBlockGroups = 4, kSmallBlockGroups = 2;
// Warps of a block.
constexpr int MostDepthwiseWarps(int groups) { return groups == kLargeBlockGroups ? 4 : 16; }

// The kernel's address, for cudaLaunchKernel; it takes a DepthwiseLaunch.
template <int kKernel, int kGroups>
const void* DepthwiseFunction(HalfType type, Curve curve);

}  // namespace patchserve::cuda
