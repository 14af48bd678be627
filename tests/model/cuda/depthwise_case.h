// A depthwise layer of random numbers: by the kernel on an emulated GPU, and in float64.
#pragma once

#include <cstdint>
#include <ostream>
#include <vector>

#include "server/model/cuda/depthwise_instance.h"
#include "tests/model/cuda/emulated_gpu.h"

namespace patchserve::cuda {

struct DepthwiseCase {
  int64_t kernel, images, height, width, channels;
  Activation activation = Activation::kGelu;
  HalfType type = HalfType::kBFloat16;
  int groups = kLargeBlockGroups;
  ThreadOrder order = ThreadOrder::kForward;
};

void PrintTo(const DepthwiseCase& c, std::ostream* out);

// Whether blocks of so many groups have warps enough for its images.
bool HasRoom(const DepthwiseCase& c, int groups);

// What a layer is made of, all of which a half has exactly.
class DepthwiseLayer {
 public:
  explicit DepthwiseLayer(const DepthwiseCase& c);

  std::vector<uint16_t> RunEmulated(bool in_place) const;

  // Rounded sums in float32 and an approximate activation, then `out` is rounded to the type.
  void ExpectClose(const std::vector<uint16_t>& out) const;

 private:
  double In(int64_t image, int64_t y, int64_t x, int64_t channel) const;
  double Expected(int64_t image, int64_t y, int64_t x, int64_t channel) const;

  const DepthwiseCase c_;
  std::vector<uint16_t> in_;    // [images, height, width, channels]
  std::vector<double> values_;  // the same
  std::vector<float> weight_, bias_, scale_;
};

}  // namespace patchserve::cuda
