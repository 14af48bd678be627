#include "tests/bench/simulate/policies.h"

#include "absl/strings/str_cat.h"
#include "tests/bench/simulate/deferred_policy.h"
#include "tests/bench/simulate/fifo_policy.h"
#include "tests/bench/simulate/pard_policy.h"

namespace patchserve::simulate {

std::vector<Candidate> Peers(const Device& device, double budget) {
  std::vector<Candidate> peers;
  const int max_batch = device.models.front().max_batch;
  const double slack = budget - 1.1;
  const std::vector<double> delays = {0, 0.25, 0.5, 1, 0.5 * slack, 0.9 * slack};

  peers.push_back({"triton-defaults", "", Fifo({})});
  for (double delay : delays) {
    for (double timeout : {kNever, 1.0, 0.5, 0.25}) {
      const auto add = [&](const char* size, int enough, int largest) {
        peers.push_back(
            {"triton", absl::StrCat("delay ", delay, " timeout ", timeout, " ", size, " ", enough),
             Fifo({.delay = delay, .enough = enough, .largest = largest, .timeout = timeout})});
      };
      add("max", max_batch, max_batch);
      add("preferred", max_batch / 4, max_batch);
      add("max", max_batch / 4, max_batch / 4);
      if (max_batch < 16) add("max", 1, 1);
    }
    for (int largest : {max_batch / 4, max_batch}) {
      for (int batches : {1, 2, 4, 1000}) {
        peers.push_back({"tf-serving",
                         absl::StrCat("timeout ", delay, " max ", largest, " queue ", batches),
                         Fifo({.delay = delay,
                               .largest = largest,
                               .most_queued = batches * largest,
                               .padded = true})});
      }
    }
  }
  for (double timeout : {kNever, 1.0}) {
    peers.push_back({"greedy", absl::StrCat("timeout ", timeout), Fifo({.timeout = timeout})});
    for (double share : {0.5, 0.7, 0.9}) {
      peers.push_back({"aimd", absl::StrCat("objective ", share * budget, " timeout ", timeout),
                       Fifo({.timeout = timeout, .objective = share * budget})});
    }
  }
  for (double stagger : {kNever, 1.0 / device.runners, 0.5, 0.0}) {
    peers.push_back({"deferred", absl::StrCat("stagger ", stagger), Deferred(budget, stagger)});
    for (bool on_arrival : {true, false}) {
      peers.push_back({"pard",
                       absl::StrCat("stagger ", stagger, on_arrival ? " on arrival" : " at batch"),
                       Pard({.budget = budget, .stagger = stagger, .on_arrival = on_arrival})});
    }
  }
  return peers;
}

}  // namespace patchserve::simulate
