// A depthwise convolution's weights as the GPU's kernel wants them. Plain C++: part of the server,
// not of the library.
#pragma once

#include <cstdint>
#include <vector>

#include "server/model/cuda/depthwise.h"

namespace patchserve::cuda {

// weight: [channels, kernel, kernel]; channels a multiple of 8, kernel from 3 to 9. Returns words
// of two weights, each rounded to the nearest of `type`: [channels / 8, kernel, 8, words], for each
// row of `kernel` weights w: (w0, w1), (w2, w3) ...; (0, w0), (w1, w2) ...; (0, 0), with 0 for what
// comes after the last weight. The first of two is the lower half.
std::vector<uint32_t> PackDepthwiseWeights(const float* weight, int64_t channels, int64_t kernel,
                                           HalfType type);

}  // namespace patchserve::cuda
