// The batch sizes that a model may run.
#pragma once

#include <algorithm>
#include <vector>

#include "server/scheduling/cost_model.h"

namespace patchserve {

// On a GPU a new size costs each runner 100 to 300 ms of first use (plans and handles are kept by
// thread and shape), so only a few sizes run, and smaller batches are padded to the next one. On a
// CPU every size is as good as another. Increasing, from 1 to max_batch.
inline std::vector<int> BatchBuckets(bool every_size, int max_batch) {
  std::vector<int> buckets;
  if (every_size) {
    for (int size = 1; size <= max_batch; ++size) buckets.push_back(size);
    return buckets;
  }
  for (int size = 1; size < max_batch; size *= 2) {
    buckets.push_back(size);
    const int between = size + size / 2;
    if (size >= 16 && between < max_batch) buckets.push_back(between);
  }
  buckets.push_back(max_batch);
  return buckets;
}

// The largest bucket that is worth its latency: that takes 3 % less time an image than the largest
// smaller one that is. `measured`: by increasing bucket, the first of one image.
inline int LargestThatPays(const std::vector<CostModel::Sample>& measured) {
  constexpr double kPays = 0.97;
  CostModel::Sample largest = measured.front();
  for (const CostModel::Sample& sample : measured) {
    if (sample.took / sample.bucket <= kPays * (largest.took / largest.bucket)) largest = sample;
  }
  return largest.bucket;
}

}  // namespace patchserve
