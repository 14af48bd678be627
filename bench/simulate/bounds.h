// How many requests could be in time at best, whatever the policy. Both know the whole
// future, and that every batch takes exactly what its curve says.
#pragma once

#include <vector>

#include "bench/simulate/simulation.h"

namespace patchserve::simulate {

// Of a device that does each image in its share of the best batch, alone and at once:
// what batching costs (waiting for others, for a batch to end) is left out. All requests
// get the largest budget of them.
double FluidBound(const std::vector<Request>& requests, const Device& device);

// Of all schedules of one model on one runner, where all requests bring the same budget
// and need no decode: the best one, by dynamic programming over what is left and when
// the runner is free. Times are rounded down to a hundredth of a batch of one.
//
// That is exact but for the rounding: in some best schedule batches are consecutive
// requests, in order, since of two requests the later sent has the later deadline.
double ClairvoyantBound(const std::vector<Request>& requests, const CostCurve& curve);

}  // namespace patchserve::simulate
