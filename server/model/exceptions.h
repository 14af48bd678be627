// LibTorch reports by exceptions; none of them leaves this module.
#pragma once

#include <exception>

#include "absl/status/status.h"

namespace patchserve {

// What a caught exception means to a caller:
// RESOURCE_EXHAUSTED: no memory on the device or the host. UNAVAILABLE: the device
// reported an error, after which nothing runs on it any more. INTERNAL: anything else.
absl::Status StatusOf(const std::exception_ptr& caught);

}  // namespace patchserve
