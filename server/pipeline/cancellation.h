// Whether anybody still waits for a request's answer.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <vector>

#include "server/base/mutex.h"

namespace patchserve {

// Shared by the requests that end together: those of a call, or the images of one request. Names
// those that wait at the device by their tickets (Executor), so that they can be taken out without
// a look at the others. Thread-safe.
class Cancellation {
 public:
  bool requested() const { return requested_; }

  // From here on requested(). Returns the requests that may wait at the device:
  // Classifier::Cancel drops them.
  std::vector<int64_t> Request() {
    Lock lock(mutex_);
    requested_ = true;
    return tickets_;
  }

  // A request waits, or doesn't any more.
  void Add(int64_t ticket) {
    Lock lock(mutex_);
    tickets_.push_back(ticket);
  }
  void Remove(int64_t ticket) {
    Lock lock(mutex_);
    tickets_.erase(std::remove(tickets_.begin(), tickets_.end(), ticket), tickets_.end());
  }

 private:
  std::atomic<bool> requested_ = false;
  Mutex mutex_;
  std::vector<int64_t> tickets_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace patchserve
