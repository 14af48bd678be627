// Our policy: the classes that the server runs.
#pragma once

#include "bench/simulate/simulation.h"

namespace patchserve::simulate {

// server/scheduling/scheduler.h, admission included, with a cost model that starts at the
// true curve. The device is read only while a policy is made.
MakePolicy Ours();

}  // namespace patchserve::simulate
