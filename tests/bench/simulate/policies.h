// The policies that are compared: ours, which is the class that the server runs, and
// those of the peers, written from their public descriptions.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/bench/simulate/simulation.h"

namespace patchserve::simulate {

using MakePolicy = std::function<std::unique_ptr<Policy>(const Device& device)>;

// A peer at one point of its grid of options.
struct Candidate {
  std::string policy;  // the same for all points of a grid
  std::string options;
  bool defaults = false;
  MakePolicy make;
};

// server/scheduling/batch_rule.h with a cost model that starts at the true curve.
MakePolicy Ours();

// Triton's dynamic batcher: first in, first out; a batch leaves when a preferred size
// is there or its first request has waited max_queue_delay; a request that has waited
// longer than the queue timeout is rejected (docs, "Dynamic Batcher"). Defaults: no
// delay, no preferred sizes, no timeout.
// TensorFlow Serving's BasicBatchScheduler: a batch leaves full or batch_timeout after
// its first task; sizes are padded up to the next allowed one.
// "greedy": whatever waits, up to the largest batch, as soon as a runner is free.
// "aimd": greedy, its largest batch up by one while batches meet the objective, down by
// a tenth when one doesn't (Clipper, NSDI 2017).
// "deferred": a batch waits until the last moment at which its first request is still
// in time; requests that can't be are dropped (Symphony, arXiv 2308.07470).
//
// `single` is the time of a batch of one, `budget` what requests bring: the grids are in
// terms of these.
std::vector<Candidate> Peers(absl::Duration single, absl::Duration budget, int max_batch);

}  // namespace patchserve::simulate
