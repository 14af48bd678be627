// The two ways to put load on a server.
#pragma once

#include <functional>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/loadgen/arrivals.h"
#include "client/loadgen/recorder.h"

namespace patchserve {

// Time since the load's start, and how to let it pass.
struct Clock {
  std::function<absl::Duration()> now;              // thread-safe
  std::function<void(absl::Duration)> sleep_until;  // returns at once if that is past
};

// A clock that starts now and that nobody sets.
Clock StartClock();

// Sends a request that must be answered within `deadline`, and calls `done` once, from
// any thread, but not before it returns itself. Thread-safe.
using SendFunction =
    std::function<void(absl::Duration deadline, absl::AnyInvocable<void(absl::Status) &&> done)>;

// Closed: `concurrency` callers, each of which sends its next request when the one before
// is answered. A slow server gets less load: good for finding its throughput, and blind
// to what users would feel.
struct ClosedLoop {
  int concurrency;
  absl::Duration deadline;
};

// Open: requests are sent when they are due, whether or not others are answered, as users
// do who don't know of each other. Latencies and deadlines count from the intended send,
// so what a stalled server (or a late load generator) holds back counts too. A request
// that is due while `max_outstanding` are unanswered, or later than its deadline, is
// recorded as not sent.
struct OpenLoop {
  Arrivals arrivals;
  int max_outstanding;
  absl::Duration deadline;
};

// Sends until `end`, waits for all answers, and records every request. Blocks.
void RunLoop(const ClosedLoop& loop, absl::Duration end, const Clock& clock,
             const SendFunction& send, Recorder& recorder);
void RunLoop(OpenLoop loop, absl::Duration end, const Clock& clock, const SendFunction& send,
             Recorder& recorder);

}  // namespace patchserve
