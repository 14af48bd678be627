// When a request is tried again: one rule for calls and for streams.
#pragma once

#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace patchserve {

// The code of a call that its caller didn't cancel: so CANCELLED is UNAVAILABLE. A gRPC server
// that shuts down answers calls so that come too late for it, and so does a proxy on its behalf.
absl::StatusCode CodeOfUncancelled(int code);

// How long to wait before the next try of a request that was answered `code` at its try
// number `tries` (from 1); absl::InfiniteDuration(): there is none.
//
//   UNAVAILABLE         0.1 s, doubling up to 2 s
//   RESOURCE_EXHAUSTED  as long as the server said; if that was too short four times, then
//                       no less than the waits above. Not at all if it named no time: no try
//                       could be in time, or it is gRPC that refuses the message's size
//   any other           not at all
//
// `server_says` is the server's word, if there is one; infinite: not to come back. It
// holds for UNAVAILABLE too. `jitter`, from -1 to 1, moves our own waits by up to a fifth.
absl::Duration RetryDelay(absl::StatusCode code, std::optional<absl::Duration> server_says,
                          int tries, double jitter);

}  // namespace patchserve
