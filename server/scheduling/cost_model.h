// How long a batch takes in each bucket: measured at warm-up, and learned from every run since.
#pragma once

#include <vector>

#include "absl/time/time.h"

namespace patchserve {

// A bucket is a batch size that the device may run: a batch of k images is padded to a bucket that
// holds k. On a CPU every size is a bucket.
//
// Estimates heal, whatever they start from: each bucket learns from its own runs, and a bucket that
// isn't trusted (it has not run for kTrusted, or its last run surprised) is assumed to cost no more
// than the next smaller one in proportion, and is offered by ToTry. Not thread-safe.
class CostModel {
 public:
  struct Sample {
    int bucket = 0;  // images
    absl::Duration took;
  };

  // `buckets` increase and begin with 1. `measured`: at least one sample, by increasing bucket;
  // what lies between two is interpolated, what lies beyond the last is in proportion.
  CostModel(const std::vector<int>& buckets, const std::vector<Sample>& measured);

  int max_batch() const { return buckets_.back().size; }
  std::vector<int> sizes() const;

  // The bucket in which a batch of so many images takes least, or, where every size is a bucket,
  // its own; and the least time. Times never fall from one size to the next. 1 <= images <=
  // max_batch().
  int BucketFor(int images) const { return padded_[images].bucket; }
  absl::Duration Expected(int images) const { return padded_[images].takes; }

  // Whether the time of so many images was confirmed lately.
  bool Trusted(int images, absl::Time now) const;

  // Whether the last run in this bucket was a surprise, or there was none.
  bool InDoubt(int bucket) const { return buckets_[IndexOf(bucket)].doubt; }

  // A bucket that is to be run for its time to be known, the smallest first; 0 if there is none.
  // Of those that `waiting` images fill, and the one that just holds them: one that has not run for
  // kTrusted, or that is larger than `chosen` and isn't trusted.
  int ToTry(int chosen, int waiting, absl::Time now) const;

  // A batch in this bucket took so long. Two surprises in a row replace an estimate: the first may
  // be a thread that was held up, and then the second puts it right.
  void Observe(int bucket, absl::Duration took, absl::Time now);

  // A batch in this bucket has started: it isn't tried again before that has ended.
  void Started(int bucket, absl::Time now);

  // Batches hold at most so many from now on; 1 <= most.
  void Limit(int most);

 private:
  struct Bucket {
    int size;
    absl::Duration takes;
    int runs = 0;       // that the estimate counts for
    bool doubt = true;  // the last run was far from the estimate, or there was none
    absl::Time ran = absl::InfinitePast();
  };
  struct Padded {
    int bucket = 0;
    absl::Duration takes;
  };

  static bool Trusted(const Bucket& bucket, absl::Time now);
  int IndexOf(int size) const;  // -1: no such bucket any more
  void Update(absl::Time now);

  std::vector<Bucket> buckets_;
  std::vector<Padded> padded_;  // by images; [0] is zero
};

}  // namespace patchserve
