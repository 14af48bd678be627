// When a request is tried again, over a channel (where gRPC does it) or a stream (where
// the client does).
#pragma once

#include "absl/time/time.h"

namespace patchserve {

// Of requests that are answered UNAVAILABLE or RESOURCE_EXHAUSTED: five tries in all, the
// waits between them doubling.
inline constexpr int kRetryTries = 5;
inline constexpr absl::Duration kRetryFirstWait = absl::Milliseconds(50);
inline constexpr absl::Duration kRetryLongestWait = absl::Seconds(2);

}  // namespace patchserve
