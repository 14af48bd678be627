// Which blocks a depthwise layer is divided into. Plain C++.
#pragma once

#include <cstdint>

#include "server/model/cuda/depthwise.h"
#include "server/model/cuda/depthwise_instance.h"
#include "server/model/cuda/depthwise_plan.h"

namespace patchserve::cuda {

struct DepthwiseDevice {
  int multiprocessors = 0;
  int shared_bytes = 0;  // that a block may have
};

constexpr DepthwisePlan PlanFor(const DepthwiseShape& shape, int groups) {
  return PlanDepthwise(shape.kernel, groups, MostDepthwiseWarps(groups), shape.height, shape.width);
}

// How many of a layer's blocks have the same image.
constexpr int64_t SlicesOf(const DepthwiseShape& shape, int groups) {
  return (shape.channels / kChannelGroup + groups - 1) / groups;
}

// kLargeBlockGroups or kSmallBlockGroups; 0: there is no kernel for it.
constexpr int ChooseDepthwiseGroups(const DepthwiseShape& shape, const DepthwiseDevice& device) {
  constexpr int64_t kMostImages = 65535, kMostSide = 64, kMostChannels = 1 << 17;
  if (shape.kernel < kLeastKernel || shape.kernel > kLargestKernel || shape.images < 1 ||
      shape.images > kMostImages || shape.height < 1 || shape.height > kMostSide ||
      shape.width < 1 || shape.width > kMostSide || shape.channels < 1 ||
      shape.channels > kMostChannels || shape.channels % kChannelGroup != 0) {
    return 0;
  }
  const auto fits = [&](int groups) {
    const DepthwisePlan plan = PlanFor(shape, groups);
    return plan.warps() <= MostDepthwiseWarps(groups) && plan.bytes <= device.shared_bytes;
  };
  // Large blocks are faster where they occupy the device: on an H100 from one and a half for each
  // multiprocessor on.
  const int64_t large_blocks = SlicesOf(shape, kLargeBlockGroups) * shape.images;
  if (2 * large_blocks >= 3 * device.multiprocessors && fits(kLargeBlockGroups)) {
    return kLargeBlockGroups;
  }
  return fits(kSmallBlockGroups) ? kSmallBlockGroups : 0;
}

}  // namespace patchserve::cuda
