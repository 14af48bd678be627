// What ends the process: signals, and what the server itself reports.
#pragma once

#include <condition_variable>
#include <optional>
#include <thread>

#include "absl/status/status.h"
#include "server/base/mutex.h"

namespace patchserve {

enum class EventKind { kSignal, kLoadingFailed, kDeviceLost };

struct Event {
  EventKind kind;
  absl::Status status;  // OK for kSignal
};

// One a process. The first SIGTERM or SIGINT is an event; the second ends the
// process at once, with exit code 1.
class ProcessEvents {
 public:
  // Blocks the two signals for this thread and all that it starts: make this before
  // any other thread.
  ProcessEvents();
  ~ProcessEvents();

  // Only the first event counts. Thread-safe.
  void Post(Event event);
  Event Wait();

 private:
  void WatchSignals();

  Mutex mutex_;
  std::condition_variable posted_;
  std::optional<Event> event_ ABSL_GUARDED_BY(mutex_);
  std::thread signals_;
};

}  // namespace patchserve
