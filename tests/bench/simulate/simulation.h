// A device in virtual time: work arrives, a policy forms batches, runners are busy for
// as long as a cost curve says.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/time/time.h"

namespace patchserve::simulate {

// One request. It can be run from `ready` on (its decode is done) and counts if it is
// done by `deadline`.
struct Request {
  int id = 0;
  int model = 0;
  absl::Time sent;
  absl::Time ready;
  absl::Time deadline;
};

// What a model costs: seconds of a batch of n on one runner.
struct CostCurve {
  std::function<double(int)> seconds;
  int max_batch = 32;
};

// A way to form batches. Called in the order of time.
class Policy {
 public:
  struct Decision {
    int model = -1;  // -1: nothing now
    std::vector<Request> batch;
    int run_as = 0;  // the size that it costs, with padding; 0: as it is
    absl::Time wake = absl::InfiniteFuture();
  };
  virtual ~Policy() = default;
  virtual void Push(const Request& request, absl::Time now) = 0;
  // `idle` runners are free, the one that asks included.
  virtual Decision Next(absl::Time now, int idle) = 0;
  // A batch that Next gave has ended after `took`.
  virtual void Done(int /*model*/, const std::vector<Request>& /*batch*/, absl::Duration /*took*/,
                    absl::Time /*now*/) {}
};

struct Result {
  int64_t sent = 0;
  int64_t in_time = 0;
  int64_t batches = 0;
  int64_t run = 0;                // requests that ran, in time or not
  double seconds = 0;             // from the first request to the last
  std::vector<double> latencies;  // of those in time, seconds

  double goodput() const { return in_time / seconds; }
  double mean_batch() const { return batches == 0 ? 0 : static_cast<double>(run) / batches; }
  double Percentile(double share) const;  // of `latencies`; sorts nothing it doesn't need
};

struct Device {
  std::vector<CostCurve> models;
  int runners = 1;
  double noise = 0.05;  // a batch takes (1 +- noise) times what its curve says
};

// `next` gives the requests by `sent`, until it gives none.
Result Run(const Device& device, Policy& policy,
           const std::function<std::optional<Request>()>& next, uint64_t seed);

}  // namespace patchserve::simulate
