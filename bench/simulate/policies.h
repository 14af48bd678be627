// The peers' policies, written from their public descriptions.
#pragma once

#include <string>
#include <vector>

#include "bench/simulate/simulation.h"

namespace patchserve::simulate {

// A peer at one point of the grid of its options.
struct Candidate {
  std::string policy;  // the same for all points of a grid
  std::string options;
  MakePolicy make;
};

// All serve first in, first out, a queue a model, but the last two. What each can be set to
// is in its grid; times are multiples of a model's batch of one, so that they suit each model.
// `budget` is the least that requests bring, in such multiples.
//
// "triton": the dynamic batcher (its docs/user_guide/batcher.md). A batch leaves when a
//   preferred size is there, or the largest, or when its first request has waited
//   max_queue_delay. A request that has waited longer than its timeout is rejected when
//   its turn comes; here clients set it to a share of the time that they have.
// "triton-defaults": no delay, no preferred sizes, no timeout.
// "tf-serving": TensorFlow Serving's batching guide. A batch leaves full, or batch_timeout
//   after its first request. Sizes are padded up to the next allowed one. Requests are
//   refused while max_enqueued_batches wait.
// "greedy": whatever waits, up to the largest batch, as soon as a runner is free. With
//   and without dropping what is late.
// "aimd": greedy, but the largest batch grows by one while batches meet an objective and
//   shrinks by a tenth when one doesn't (Clipper, NSDI 2017, section 4.3).
// "deferred": earliest deadline first. A batch waits until one request more would make
//   its first one late. Where not all can be in time, a window of a target size slides
//   over the queue, and what is before the first place where it fits is dropped (Symphony,
//   arXiv 2308.07470). The target is the largest batch that leaves time to wait for one
//   of n staggered runners, l(b) * (1 + 1/n) <= budget, or another share of it.
// "pard": proactive dropping, lowest budgets first, highest under overload (PARD, arXiv
//   2602.08747; pard_policy.h says what is known of it). The same four target sizes.
//
// Where runners share the device, all peers use one of them: a second one only can take
// batches too early. Where sizes are warmed, they let the device pad. Triton's defaults,
// "greedy" and "deferred" are tried with all runners, and unpadded, too (deployment.h).
std::vector<Candidate> Peers(const Device& device, double budget);

}  // namespace patchserve::simulate
