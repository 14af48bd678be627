// A mutex that Clang can follow: it finds what is ABSL_GUARDED_BY one and used without it (`make
// check-clang`).
#pragma once

#include <mutex>

#include "absl/base/thread_annotations.h"

namespace patchserve {

// The standard one: the thread sanitizer takes Abseil's, which isn't built for it, for none.
class ABSL_LOCKABLE Mutex : public std::mutex {
 public:
  // Does nothing but tell Clang that it is held, where it can't see that: in an object whose
  // owner's mutex it is.
  void AssertHeld() const ABSL_ASSERT_EXCLUSIVE_LOCK() {}
};

// Holds a mutex for as long as it lives, but for the time between unlock() and lock(). A
// std::condition_variable waits for it as for std::unique_lock.
class ABSL_SCOPED_LOCKABLE Lock : public std::unique_lock<std::mutex> {
 public:
  explicit Lock(Mutex& mutex) ABSL_EXCLUSIVE_LOCK_FUNCTION(mutex) : unique_lock(mutex) {}
  ~Lock() ABSL_UNLOCK_FUNCTION() {}

  void lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() { unique_lock::lock(); }
  void unlock() ABSL_UNLOCK_FUNCTION() { unique_lock::unlock(); }
};

}  // namespace patchserve
