#include "server/scheduling/cost_model.h"

#include <algorithm>
#include <utility>

namespace patchserve {
namespace {

// A run this many times longer or shorter than expected is a surprise.
constexpr double kSurprise = 1.25;
// The estimate is the mean over about so many runs: noise of 5 % a run leaves 0.6 %.
constexpr int kMeanOver = 64;
// A bucket that hasn't run for longer is tried again: a batch a bucket and minute costs little.
constexpr absl::Duration kTrusted = absl::Minutes(1);

absl::Duration Interpolated(const std::vector<CostModel::Sample>& measured, int size) {
  const CostModel::Sample* before = nullptr;
  for (const CostModel::Sample& sample : measured) {
    if (sample.bucket >= size) {
      if (before == nullptr) return sample.took;
      const double share =
          static_cast<double>(size - before->bucket) / (sample.bucket - before->bucket);
      return before->took + share * (sample.took - before->took);
    }
    before = &sample;
  }
  return before->took * (static_cast<double>(size) / before->bucket);
}

}  // namespace

CostModel::CostModel(const std::vector<int>& buckets, const std::vector<Sample>& measured) {
  // What was measured at warm-up counts for some runs, unless the first is a surprise.
  for (int size : buckets) {
    buckets_.push_back(
        {.size = size, .takes = Interpolated(measured, size), .runs = kMeanOver / 4});
  }
  Update(absl::InfinitePast());
}

std::vector<int> CostModel::sizes() const {
  std::vector<int> sizes;
  for (const Bucket& bucket : buckets_) sizes.push_back(bucket.size);
  return sizes;
}

bool CostModel::Trusted(const Bucket& bucket, absl::Time now) {
  return !bucket.doubt && now - bucket.ran <= kTrusted;
}

int CostModel::IndexOf(int size) const {
  const auto found = std::find_if(buckets_.begin(), buckets_.end(),
                                  [&](const Bucket& bucket) { return bucket.size == size; });
  return found == buckets_.end() ? -1 : static_cast<int>(found - buckets_.begin());
}

bool CostModel::Trusted(int images, absl::Time now) const {
  return Trusted(buckets_[IndexOf(BucketFor(images))], now);
}

void CostModel::Started(int bucket, absl::Time now) {
  if (const int index = IndexOf(bucket); index >= 0) buckets_[index].ran = now;
}

int CostModel::ToTry(int chosen, int waiting, absl::Time now) const {
  int doubled = 1;
  for (const Bucket& bucket : buckets_) {
    const bool holds_all = bucket.size >= waiting || bucket.size == max_batch();
    if (bucket.size >= doubled || holds_all) {
      const bool old = now - bucket.ran > kTrusted;
      if (old || (bucket.size > chosen && bucket.doubt)) return bucket.size;
      doubled = 2 * bucket.size;
    }
    if (holds_all) break;
  }
  return 0;
}

void CostModel::Observe(int bucket, absl::Duration took, absl::Time now) {
  const int index = IndexOf(bucket);
  // A batch of a size that is no longer allowed may have been under way.
  if (index < 0 || took <= absl::ZeroDuration()) return;
  Bucket& ran = buckets_[index];
  const double ratio = absl::FDivDuration(took, ran.takes);
  const bool surprise = ratio > kSurprise || ratio < 1 / kSurprise;
  if (surprise && ran.doubt) {
    ran.takes = took;
    ran.runs = 1;
  } else {
    ran.runs = std::min(ran.runs + 1, kMeanOver);
    ran.takes += (took - ran.takes) / ran.runs;
  }
  ran.doubt = surprise;
  ran.ran = now;
  Update(now);
}

void CostModel::Limit(int most) {
  while (buckets_.size() > 1 && buckets_.back().size > most) buckets_.pop_back();
  Update(absl::InfinitePast());
}

void CostModel::Update(absl::Time now) {
  padded_.resize(max_batch() + 1);
  const Bucket* smaller = nullptr;
  absl::Duration proportion;
  int images = 1;
  for (const Bucket& bucket : buckets_) {
    absl::Duration takes = bucket.takes;
    if (smaller != nullptr && !Trusted(bucket, now)) {
      takes = std::min(takes, proportion * (static_cast<double>(bucket.size) / smaller->size));
    }
    for (; images <= bucket.size; ++images) padded_[images] = {bucket.size, takes};
    smaller = &bucket;
    proportion = takes;
  }
  // Where every size is a bucket none is padded: a larger one that seems to take less was measured
  // while the machine had less to do.
  const bool pads = static_cast<int>(buckets_.size()) < max_batch();
  for (int size = max_batch() - 1; size >= 1; --size) {
    if (padded_[size + 1].takes >= padded_[size].takes) continue;
    padded_[size].takes = padded_[size + 1].takes;
    if (pads) padded_[size].bucket = padded_[size + 1].bucket;
  }
}

}  // namespace patchserve
