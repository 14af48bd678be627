// The streams that are open, so that a shutdown can end them.
#pragma once

#include <mutex>
#include <set>

#include "server/rpc/open_calls.h"

namespace patchserve {

class OpenStream {
 public:
  // Read no more, answer what was read, and end with UNAVAILABLE. Returns at once.
  virtual void Drain() = 0;

 protected:
  ~OpenStream() = default;
};

// Thread-safe.
class OpenStreams {
 public:
  // Which must outlive this; each stream counts as one call.
  explicit OpenStreams(OpenCalls& open_calls) : open_calls_(open_calls) {}

  // Drains every stream, present or future.
  void Drain() {
    std::lock_guard lock(mutex_);
    draining_ = true;
    for (OpenStream* stream : streams_) stream->Drain();
  }

  void Opened(OpenStream* stream) {
    open_calls_.Opened();
    std::lock_guard lock(mutex_);
    streams_.insert(stream);
    if (draining_) stream->Drain();
  }
  void Closed(OpenStream* stream) {
    {
      std::lock_guard lock(mutex_);
      streams_.erase(stream);
    }
    open_calls_.Closed();
  }

 private:
  OpenCalls& open_calls_;
  std::mutex mutex_;
  bool draining_ = false;          // guarded by mutex_
  std::set<OpenStream*> streams_;  // guarded by mutex_
};

}  // namespace patchserve
