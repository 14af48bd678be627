// First in, first out, a queue a model: what Triton, TensorFlow Serving, Clipper and a
// greedy batcher do, by options. Of several models the one whose first request has waited
// longest.
#pragma once

#include <limits>

#include "bench/simulate/simulation.h"

namespace patchserve::simulate {

constexpr double kNever = std::numeric_limits<double>::infinity();

// Times in batches of one.
struct FifoOptions {
  double delay = 0;           // of a batch's first request
  int enough = 1 << 20;       // a batch of this size leaves at once
  int largest = 1 << 20;      // a batch has no more
  double timeout = kNever;    // as a share of what a request has left after a batch of one
  int most_queued = 1 << 20;  // more are refused
  bool padded = false;        // to the next power of two, or the largest batch
  double objective = kNever;  // of a batch's time: more shrinks the largest batch
};

MakePolicy Fifo(const FifoOptions& options);

}  // namespace patchserve::simulate
