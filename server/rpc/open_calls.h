// Counts the calls that are under way, so that a shutdown knows when the last is over.
#pragma once

#include <condition_variable>
#include <mutex>

#include "absl/time/time.h"

namespace patchserve {

// Thread-safe.
class OpenCalls {
 public:
  void Opened() {
    std::lock_guard lock(mutex_);
    ++open_;
  }
  void Closed() {
    std::lock_guard lock(mutex_);
    if (--open_ == 0) none_.notify_all();
  }
  // Blocks until no call is open, for at most `timeout`; whether none is.
  bool WaitUntilNone(absl::Duration timeout) {
    std::unique_lock lock(mutex_);
    return none_.wait_for(lock, absl::ToChronoNanoseconds(timeout), [this] { return open_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable none_;
  int open_ = 0;  // guarded by mutex_
};

}  // namespace patchserve
