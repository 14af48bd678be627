// A device in virtual time: work arrives, a policy forms batches, runners are busy for
// as long as a cost curve says.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
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
  bool retried = false;
};

// What a model costs on one runner. Two kinds of devices:
//
// - All sizes are alike (`warmed` is empty): a batch of n takes seconds(n).
// - Some sizes are warmed before time 0, on every runner (a GPU with graphs or plans by
//   shape). The device pads a batch to a warmed size, so that seconds(n) has steps. A
//   policy may ask for exactly n images: they take exact(n), and first_use more for the
//   first batch of a size that isn't warmed, on each runner.
struct CostCurve {
  std::function<double(int)> seconds;
  int max_batch = 32;
  std::vector<int> warmed = {};
  std::function<double(int)> exact = nullptr;
  double first_use = 0;

  // The least seconds an image, over all sizes of a batch.
  double best_each() const;
};

struct Device {
  std::vector<CostCurve> models;
  int runners = 1;
  double noise = 0.05;  // a batch takes (1 +- noise) times what its curve says, uniformly
  // False: each runner is a device of its own, as a core is. True: the runners share one
  // device, which does their batches one after the other, first in, first out: a batch
  // that is given to a runner at `now` ends at max(now, the end of the batch before) + its
  // time. Then a second runner adds nothing; it only can take a batch earlier than it is
  // begun. What runners gain by overlapping copies and launches is left out.
  bool shared = false;

  // How many batches are under way at once, and what they do: images a second of a model
  // in its best batches, alone on the device.
  int lanes() const { return shared ? 1 : runners; }
  double capacity(int model) const { return lanes() / models[model].best_each(); }
};

// Where requests come from, in the order of `sent`.
class Workload {
 public:
  virtual ~Workload() = default;
  virtual absl::Time NextAt() const = 0;  // InfiniteFuture: no more
  virtual Request Take() = 0;
  // It was refused at `now`: another try would be welcome after `pause`.
  virtual void Refused(const Request& /*request*/, absl::Time /*now*/, absl::Duration /*pause*/) {}
  // The answer came at `when`, in time.
  virtual void Answered(const Request& /*request*/, absl::Time /*when*/) {}
};

// A way to form batches. Called in the order of time.
class Policy {
 public:
  struct Decision {
    int model = -1;  // -1: nothing now
    std::vector<Request> batch;
    int run_as = 0;   // the exact size that runs; 0: the device pads where it has warmed sizes
    int dropped = 0;  // how many were given up, and will never be in a batch
    absl::Time wake = absl::InfiniteFuture();
  };
  virtual ~Policy() = default;
  // When it is sent. False: the request is refused.
  virtual bool Admit(const Request& /*request*/, absl::Time /*now*/) { return true; }
  // When it is ready. False: the request is refused.
  virtual bool Push(const Request& request, absl::Time now) = 0;
  // The pause after which the request that Admit refused last may come again.
  virtual absl::Duration Pause() const { return absl::InfiniteDuration(); }
  // `idle` runners are free, the one that asks included.
  virtual Decision Next(absl::Time now, int idle) = 0;
  // A batch that Next gave has ended; `took` since then, on a shared device with the wait
  // for the batches before it.
  virtual void Done(int /*model*/, int /*size*/, absl::Duration /*took*/) {}
};

using MakePolicy = std::function<std::unique_ptr<Policy>(const Device& device)>;

struct Result {
  int64_t sent = 0;
  int64_t run = 0;      // requests that ran, in time or not
  int64_t dropped = 0;  // that didn't; sent = run + dropped
  int64_t refused = 0;  // of these, on arrival
  int64_t batches = 0;
  double seconds = 0;                          // from the first request to the last
  std::vector<std::vector<double>> latencies;  // by model; of those in time, seconds

  int64_t in_time() const;
  double goodput() const { return in_time() / seconds; }
  double mean_batch() const { return batches == 0 ? 0 : static_cast<double>(run) / batches; }
  double Percentile(double share) const;  // of all latencies
  static double Percentile(double share, std::vector<double> latencies);
};

// Until the workload gives no more and all of it has run or been dropped. `seed` is that
// of the noise.
Result Run(const Device& device, Policy& policy, Workload& workload, uint64_t seed);

}  // namespace patchserve::simulate
