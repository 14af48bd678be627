// A fixed number of threads over one bounded queue, the earliest deadline first.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "server/base/mutex.h"

namespace patchserve {

class ThreadPool {
 public:
  using Task = absl::AnyInvocable<void() &&>;

  // `name` shows in top and gdb; at most 11 characters, a number is appended. `nice`: how little of
  // a busy core the threads get, as in setpriority(2); 0: as much as any other, 19: the least.
  ThreadPool(const std::string& name, int threads, size_t max_queued, int nice = 0);

  // Stop().
  ~ThreadPool();

  // False, and `task` is left as it is: max_queued tasks wait already, or Stop was
  // called. Thread-safe.
  // Tasks start in the order of deadlines, those of the same one in the order of arrival.
  [[nodiscard]] bool TryRun(Task&& task, absl::Time deadline = absl::InfiniteFuture());

  // Finishes what is queued and joins the threads. Call from one thread, not a
  // task's; a second call does nothing.
  void Stop();

 private:
  void Loop();

  const size_t max_queued_;
  Mutex mutex_;
  std::condition_variable changed_;
  std::multimap<absl::Time, Task> queue_ ABSL_GUARDED_BY(mutex_);  // by deadline
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

// Names the calling thread for top and gdb (15 characters are kept).
void NameThread(const std::string& name);

}  // namespace patchserve
