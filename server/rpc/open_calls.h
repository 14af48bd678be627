// The calls that are under way: so that a shutdown can end the streams among them, and
// knows when the last call is over.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <set>

#include "absl/time/time.h"
#include "server/base/mutex.h"

namespace patchserve {

class OpenStream {
 public:
  // Read no more, answer what was read, and end with UNAVAILABLE. Returns at once.
  virtual void Drain() = 0;

 protected:
  ~OpenStream() = default;
};

// Thread-safe.
class OpenCalls {
 public:
  // The call's end is to be told by Closed(). False: nobody waits for it, since it came after
  // DrainStreams and will be refused.
  [[nodiscard]] bool Opened() {
    Lock lock(mutex_);
    if (draining_) return false;
    ++open_;
    return true;
  }
  void Closed() {
    Lock lock(mutex_);
    if (--open_ == 0) none_.notify_all();
  }

  // Of a stream: a call that DrainStreams reaches.
  void Opened(OpenStream* stream) {
    Lock lock(mutex_);
    if (draining_) return stream->Drain();
    ++open_;
    streams_.insert(stream);
  }
  void Closed(OpenStream* stream) {
    {
      Lock lock(mutex_);
      if (streams_.erase(stream) == 0) return;
    }
    Closed();
  }

  // Drains every stream, present or future. Unary calls are the classifier's to refuse.
  void DrainStreams() {
    Lock lock(mutex_);
    draining_ = true;
    for (OpenStream* stream : streams_) stream->Drain();
  }

  // Blocks until none is open of those that came before DrainStreams, for at most `timeout`, which
  // may be infinite; whether none is.
  bool WaitUntilNone(absl::Duration timeout) {
    // wait_for adds it to the clock's time: a sum beyond 292 years overflows into the past.
    constexpr absl::Duration kForever = absl::Hours(1'000'000);
    Lock lock(mutex_);
    return none_.wait_for(lock, absl::ToChronoNanoseconds(std::min(timeout, kForever)),
                          [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return open_ == 0; });
  }

 private:
  Mutex mutex_;
  std::condition_variable none_;
  int open_ ABSL_GUARDED_BY(mutex_) = 0;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<OpenStream*> streams_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace patchserve
