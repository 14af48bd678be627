// The gather kernel's work on the CPU.
#pragma once

#include "server/model/cuda/gather.h"

namespace patchserve {

void GatherOnCpu(const cuda::Gather& gather);

}  // namespace patchserve
