// A fixed number of threads over one bounded queue, first in, first out.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"

namespace patchserve {

class ThreadPool {
 public:
  using Task = absl::AnyInvocable<void() &&>;

  // `name` shows in top and gdb; at most 11 characters, a number is appended.
  ThreadPool(const std::string& name, int threads, size_t max_queued);

  // Stop().
  ~ThreadPool();

  // False, and `task` is left as it is: max_queued tasks wait already, or Stop was
  // called. Thread-safe.
  [[nodiscard]] bool TryRun(Task&& task);

  // Finishes what is queued and joins the threads. Call from one thread, not a
  // task's; a second call does nothing.
  void Stop();

 private:
  void Loop();

  const size_t max_queued_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> queue_;  // guarded by mutex_
  bool stopping_ = false;   // guarded by mutex_
  std::vector<std::thread> threads_;
};

// Names the calling thread for top and gdb (15 characters are kept).
void NameThread(const std::string& name);

}  // namespace patchserve
