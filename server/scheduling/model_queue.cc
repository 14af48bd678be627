#include "server/scheduling/model_queue.h"

#include <algorithm>
#include <limits>
#include <vector>

namespace patchserve {
namespace {

// What serves so much less in time than the best is as good, if it costs less an image; a larger
// batch must save so much of the time an image, since each image waits for all of it; and of sizes
// that differ by less one is enough.
constexpr double kNearly = 0.02;

}  // namespace

void ModelQueue::ChooseBatch(int runners, absl::Time now) {
  const double rate =
      arrivals.Rate(now) > 0 ? arrivals.Rate(now) : std::numeric_limits<double>::infinity();
  std::vector<int> sizes;
  std::vector<double> serves;
  for (int size : cost.sizes()) {
    if (!sizes.empty() && size < (1 + kNearly) * sizes.back()) continue;
    sizes.push_back(size);
    const absl::Duration takes = cost.Expected(size);
    const double kept = arrivals.ShareThatCanWait(takes / runners, takes);
    const double done = runners * size / absl::ToDoubleSeconds(takes);
    serves.push_back(kept > 0 ? std::min(rate * kept, done) : 0);
  }
  const double best = *std::max_element(serves.begin(), serves.end());
  size_t largest = sizes.size() - 1;
  while (largest > 0 && serves[largest] < (1 - kNearly) * best) --largest;
  const auto each = [&](size_t i) { return cost.Expected(sizes[i]) / sizes[i]; };
  absl::Duration cheapest = each(0);
  for (size_t i = 1; i <= largest; ++i) cheapest = std::min(cheapest, each(i));
  size_t chosen = 0;
  while (each(chosen) > (1 + kNearly) * cheapest) ++chosen;
  batch = sizes[chosen];
}

}  // namespace patchserve
