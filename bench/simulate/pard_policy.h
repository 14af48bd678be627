// PARD's proactive dropping (Zhao et al., "PARD: Enhancing Goodput for Inference Pipeline
// via ProActive Request Dropping", arXiv 2602.08747), for a pipeline of one model.
//
// Written from the abstract and public summaries (arxivlens.com, sciencestack.ai): the
// text of the paper and its code weren't at hand. They say: a request is dropped when its
// estimated end-to-end latency, with the wait for its batch, is more than its latency
// budget; a double-ended priority queue orders requests by remaining budget, from one end
// or the other by the intensity of the workload.
//
// Not found there, so chosen here: the lowest budgets go first while the load is below the
// device's capacity, the highest above; the load is measured over 20 planned batches, and
// the order changes at 1.05 and 0.95 of the capacity, so that it doesn't flap; a batch is
// formed when a runner is free; of several models the one whose batch has the earliest
// deadline is next.
#pragma once

#include "bench/simulate/simulation.h"

namespace patchserve::simulate {

struct PardOptions {
  // The planned batch: the largest with time * (1 + stagger) <= budget, budget in batches
  // of one. No batch has more.
  double budget = 0;
  double stagger = 1;
  // True: a request is dropped on arrival if the requests before it take too long. False:
  // requests are dropped only when a batch is formed.
  bool on_arrival = true;
};

// A runner that is free takes the first requests, as many as the planned batch. While the
// lowest budgets go first, requests that would be late in such a batch are dropped before.
// While the highest go first, the others wait until they can't be in time any more.
MakePolicy Pard(const PardOptions& options);

}  // namespace patchserve::simulate
