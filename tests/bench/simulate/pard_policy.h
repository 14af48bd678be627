// PARD's proactive dropping (Zhao et al., "PARD: Enhancing Goodput for Inference Pipeline
// via ProActive Request Dropping", arXiv 2602.08747), for a pipeline of one model.
//
// Written from the abstract and from public summaries, not from the authors' code. They
// say: a request is dropped as soon as its estimated end-to-end latency, with the wait in
// the queue, the wait for its batch and the batch's time, is more than its latency budget;
// requests lie in a double-ended priority queue by remaining budget; the one with the
// lowest budget goes first while the load is low, the one with the highest while it is
// high; the change is delayed, so that it doesn't flap. What is ours, since no source was
// found for it: the figures (a window of 20 batches, changes at 1.05 and 0.95), that a
// batch is formed when a runner is free, and which of several models is next.
#pragma once

#include "tests/bench/simulate/simulation.h"

namespace patchserve::simulate {

struct PardOptions {
  // The planned batch: the largest with time * (1 + stagger) <= budget, budget in batches
  // of one. No batch has more.
  double budget = 0;
  double stagger = 1;
  // True: who comes is dropped at once if what goes first takes too long. False: only when
  // a batch is formed.
  bool on_arrival = true;
};

// A runner that is free takes the first requests, as many as the planned batch. While the
// lowest budgets go first, those who would be late in such a batch are dropped before.
// While the highest go first, the others wait until they can't be in time any more. Of
// several models the one whose batch has the earliest deadline.
MakePolicy Pard(const PardOptions& options);

}  // namespace patchserve::simulate
