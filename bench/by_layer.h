// Where a network's time goes on one thread of a CPU, and how near its layers come to the core's
// peak.
#pragma once

#include <c10/core/ScalarType.h>

#include "tests/model/random_checkpoint.h"

namespace patchserve {

// Prints a table, a line for each kind of layer of one image's forward: its share of the time, and
// GFLOP/s, beside those of a large packed matrix product. The layers are the server's, with weights
// of their own, timed one after the other in the network's order. For ViTs and ConvMixers.
void PrintByLayer(const RandomCheckpoint& spec, at::ScalarType type);

}  // namespace patchserve
