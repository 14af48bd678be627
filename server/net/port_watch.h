// Notices when a port that listens doesn't answer.
#pragma once

#include <condition_variable>
#include <functional>
#include <thread>

#include "absl/time/time.h"
#include "server/base/mutex.h"

namespace patchserve {

class PortWatch {
 public:
  // Asks `answers` every `interval`, on a thread of its own, and calls `changed(false)` when it was
  // false three times in a row, `changed(true)` when it is true again. A lone failure proves
  // nothing: a burst of connections may be in front.
  PortWatch(absl::Duration interval, std::function<bool()> answers,
            std::function<void(bool)> changed);
  ~PortWatch() { Stop(); }

  // No call is under way, and none follows, when this returns.
  void Stop();

 private:
  void Run();

  const absl::Duration interval_;
  const std::function<bool()> answers_;
  const std::function<void(bool)> changed_;
  Mutex mutex_;
  std::condition_variable stopping_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace patchserve
