// Symphony's deferral (arXiv 2308.07470), from its public description.
#pragma once

#include "bench/simulate/simulation.h"

namespace patchserve::simulate {

// Earliest deadline first. A batch waits until one request more would make its first one
// late. Where not all can be in time, a window of a target size slides over the queue, and
// what is before the first place where it fits is dropped. The target is the largest batch
// with time * (1 + stagger) <= budget; `budget` is in batches of one.
MakePolicy Deferred(double budget, double stagger);

}  // namespace patchserve::simulate
