#include "bench/simulate/policies.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "bench/simulate/deferred_policy.h"
#include "bench/simulate/deployment.h"
#include "bench/simulate/fifo_policy.h"
#include "bench/simulate/pard_policy.h"

namespace patchserve::simulate {
namespace {

// Collects the candidates for a device, each in all ways to deploy it there.
class Grid {
 public:
  explicit Grid(const Device& device)
      : shared_(device.shared), warmed_(!device.models.front().warmed.empty()) {}

  // `alternatives` false: only in the way that is nearly always the best.
  void Add(const std::string& policy, const std::string& options, const MakePolicy& make,
           bool alternatives) {
    if (!shared_ && !warmed_) {
      candidates.push_back({policy, options, make});
      return;
    }
    const auto add = [&](const std::string& all_options, const Deployment& deployment) {
      candidates.push_back({policy, all_options, Deployed(make, deployment)});
    };
    add(options, {.one_runner = shared_});
    if (!alternatives) return;
    const std::string more = options.empty() ? "" : options + " ";
    if (shared_) add(more + "on all runners", {});
    if (warmed_) add(more + "unpadded", {.one_runner = shared_, .unpadded = true});
  }

  std::vector<Candidate> candidates;

 private:
  const bool shared_, warmed_;
};

}  // namespace

std::vector<Candidate> Peers(const Device& device, double budget) {
  Grid grid(device);
  const int max_batch = device.models.front().max_batch;
  const double slack = budget - 1.1;

  grid.Add("triton-defaults", "", Fifo({}), /*alternatives=*/true);
  for (double delay : {0.0, 0.25, 0.5, 1.0, 0.5 * slack, 0.9 * slack}) {
    for (double timeout : {kNever, 1.0, 0.5, 0.25}) {
      const auto add = [&](const char* size, int enough, int largest) {
        grid.Add("triton",
                 absl::StrCat("delay ", delay, " timeout ", timeout, " ", size, " ", enough),
                 Fifo({.delay = delay, .enough = enough, .largest = largest, .timeout = timeout}),
                 /*alternatives=*/false);
      };
      add("max", max_batch, max_batch);
      add("preferred", max_batch / 4, max_batch);
      add("max", max_batch / 4, max_batch / 4);
      if (max_batch < 16) add("max", 1, 1);
      if (max_batch > 64) add("max", max_batch / 16, max_batch / 16);
    }
    for (int largest : {max_batch / 16, max_batch / 4, max_batch}) {
      if (largest == max_batch / 16 && max_batch <= 64) continue;
      for (int batches : {1, 2, 4, 1000}) {
        grid.Add("tf-serving",
                 absl::StrCat("timeout ", delay, " max ", largest, " queue ", batches),
                 Fifo({.delay = delay,
                       .largest = largest,
                       .most_queued = batches * largest,
                       .padded = true}),
                 /*alternatives=*/false);
      }
    }
  }
  for (double timeout : {kNever, 1.0}) {
    grid.Add("greedy", absl::StrCat("timeout ", timeout), Fifo({.timeout = timeout}),
             /*alternatives=*/true);
    for (double share : {0.5, 0.7, 0.9}) {
      grid.Add("aimd", absl::StrCat("objective ", share * budget, " timeout ", timeout),
               Fifo({.timeout = timeout, .objective = share * budget}),
               /*alternatives=*/false);
    }
  }
  for (double stagger : {kNever, 1.0 / device.lanes(), 0.5, 0.0}) {
    grid.Add("deferred", absl::StrCat("stagger ", stagger), Deferred(budget, stagger),
             /*alternatives=*/true);
    for (bool on_arrival : {true, false}) {
      grid.Add("pard", absl::StrCat("stagger ", stagger, on_arrival ? " on arrival" : " at batch"),
               Pard({.budget = budget, .stagger = stagger, .on_arrival = on_arrival}),
               /*alternatives=*/false);
    }
  }
  return std::move(grid.candidates);
}

}  // namespace patchserve::simulate
