// The filters of Pillow's resampling as tables (Pillow 13,
// src/libImaging/Resample.c, precompute_coeffs and normalize_coeffs_8bpc).
#pragma once

#include <cstdint>
#include <vector>

#include "server/image/preprocessing.h"

namespace patchserve {

inline constexpr int kWeightBits = 22;  // of a weight's fraction; 1.0 is 1 << 22

// How each output position of one axis is made of its inputs:
//   out[i] = clip((half + sum over t < counts[i] of in[first[i] + t] *
//                  weights[i * taps + t]) >> kWeightBits), half = 1 << (kWeightBits - 1)
struct FilterWeights {
  int taps = 0;  // the room for each output; unused weights are 0
  std::vector<int> first;
  std::vector<int> counts;
  std::vector<int32_t> weights;

  int outputs() const { return static_cast<int>(first.size()); }
  int begin() const { return first.front(); }  // of the inputs that are used
  int end() const { return first.back() + counts.back(); }
  void Shift(int by) {
    for (int& position : first) position += by;
  }
};

// The weights of outputs `from` to from + outputs - 1 of an axis that is resized
// from in_size to out_size.
FilterWeights ComputeWeights(int in_size, int out_size, Interpolation interpolation, int from,
                             int outputs);

}  // namespace patchserve
