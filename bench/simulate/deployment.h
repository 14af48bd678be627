// How a peer is set up on a device with warmed sizes or with runners that share it.
#pragma once

#include "bench/simulate/simulation.h"

namespace patchserve::simulate {

struct Deployment {
  // One runner takes batches, the others stay idle (Triton: one instance, its default).
  bool one_runner = false;
  // Batches run at their own sizes and aren't padded: each new size costs its first use.
  bool unpadded = false;
};

// `make`'s policy, which is told of a device of that kind: its times, its runners.
MakePolicy Deployed(const MakePolicy& make, const Deployment& deployment);

}  // namespace patchserve::simulate
