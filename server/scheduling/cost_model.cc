#include "server/scheduling/cost_model.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace patchserve {
namespace {

constexpr double kAllShare = 1.0 / 16;
constexpr double kShapeShare = 1.0 / 128;

// The variance is the mean over about so many batches.
constexpr int kVarianceOver = 50;
constexpr int kVariancePrior = 10;  // as many batches as the first guess counts for
constexpr double kMostStray = 1.0;  // one batch that took four times as long isn't all that counts

constexpr double kFarOff = 4;

constexpr double kFade = 0.98;

absl::Duration Between(const CostModel::Sample& a, const CostModel::Sample& b, int size) {
  const double share = static_cast<double>(size - a.size) / (b.size - a.size);
  return a.took + share * (b.took - a.took);
}

}  // namespace

CostModel::CostModel(const std::vector<Sample>& measured, int max_batch)
    : expected_(max_batch + 1, absl::ZeroDuration()) {
  std::vector<Sample> samples = measured;
  samples.insert(samples.begin(), {0, absl::ZeroDuration()});
  size_t next = 1;  // the sample that ends the stretch
  for (int size = 1; size <= max_batch; ++size) {
    while (samples[next].size < size && next + 1 < samples.size()) ++next;
    // Below the first sample a batch costs as much as that one.
    const bool below = next == 1 && size <= samples[1].size;
    expected_[size] = below ? samples[1].took : Between(samples[next - 1], samples[next], size);
    expected_[size] = std::max(expected_[size], expected_[size - 1]);
  }
  fastest_ = expected_;
}

void CostModel::Observe(int size, absl::Duration took) {
  // A batch of a size that is no longer allowed may have been under way.
  if (size > max_batch() || expected_[size] <= absl::ZeroDuration()) return;
  const double ratio = std::clamp(absl::FDivDuration(took, expected_[size]), 1 / kFarOff, kFarOff);
  const absl::Duration least = ratio * expected_[size];
  for (int smaller = 1; smaller <= size; ++smaller) {
    fastest_[smaller] = std::min(fastest_[smaller], least);
  }
  const double stray = std::clamp(ratio - 1, -kMostStray, kMostStray);
  observed_ = std::min(observed_ + 1, kVarianceOver);
  variance_ += (stray * stray - variance_) / (kVariancePrior + observed_);
  // All move by a share of one logarithm: so the others' times go nowhere while its own
  // goes up and down. With shares of the ratio itself they would grow without bound, since
  // there noise adds up: a time half as long again outweighs one that is half.
  const double own_share = kAllShare + kShapeShare;
  const double step = std::log1p(own_share * (ratio - 1)) / own_share;
  for (int other = 1; other <= max_batch(); ++other) {
    // 1 for its own size, 0 from twice or half of it on.
    const double near = std::max(0.0, 2 - std::max<double>(other, size) / std::min(other, size));
    expected_[other] *= std::exp(step * (kAllShare + kShapeShare * near));
  }
  // What was learned of one size holds for its neighbours: more images take no less.
  for (int other = size + 1; other <= max_batch(); ++other) {
    expected_[other] = std::max(expected_[other], expected_[size]);
  }
  for (int other = 1; other < size; ++other) {
    expected_[other] = std::min(expected_[other], expected_[size]);
  }
}

void CostModel::Fade() {
  for (int size = 1; size <= max_batch(); ++size) {
    expected_[size] = std::max(kFade * expected_[size], fastest_[size]);
  }
}

}  // namespace patchserve
