// Our policy: the classes that the server runs.
#pragma once

#include "tests/bench/simulate/simulation.h"

namespace patchserve::simulate {

// server/scheduling/batch_rule.h with a cost model that starts at the true curve. With
// `admission` who asks may be refused, as in the server; else all wait.
MakePolicy Ours(bool admission = true);

}  // namespace patchserve::simulate
