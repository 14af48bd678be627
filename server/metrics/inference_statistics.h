// What ModelStatistics of the Open Inference Protocol shows of a model, in Triton's
// terms. Plain data.
#pragma once

#include <array>
#include <cstdint>
#include <map>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/base/mutex.h"

namespace patchserve {

// Of one request; where it has several images, of the slowest of them.
struct RequestTimes {
  absl::Duration total;   // from arrival to answer
  absl::Duration queue;   // waiting for a decoder and for the device
  absl::Duration input;   // decoding
  absl::Duration infer;   // the batch on the device
  absl::Duration output;  // from the batch's end to the answer
};

// Thread-safe.
class InferenceStatistics {
 public:
  struct Sum {
    uint64_t count = 0;
    absl::Duration time;
    void Add(absl::Duration took) {
      ++count;
      time += took;
    }
  };
  struct Batches {
    Sum input, infer, output;
  };
  struct Snapshot {
    Sum success, fail;                          // requests
    Sum queue, input, infer, output;            // of the successful ones
    std::array<uint64_t, 17> failed_by_code{};  // absl::StatusCode's 0 to 16
    uint64_t images = 0;                        // of successful requests
    uint64_t batches = 0;
    std::map<int, Batches> batches_by_size;
    absl::Time last_success = absl::UnixEpoch();
  };

  void Succeeded(int images, const RequestTimes& times, absl::Time now);
  void Failed(absl::StatusCode code, absl::Duration total);
  // `input`: of the image that took longest to decode.
  void BatchRan(int images, absl::Duration input, absl::Duration infer, absl::Duration output);

  Snapshot Get() const;

 private:
  mutable Mutex mutex_;
  Snapshot sums_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace patchserve
