#include "server/base/thread_pool.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace patchserve {

ThreadPool::ThreadPool(const std::string& name, int threads, size_t max_queued, int nice)
    : max_queued_(max_queued) {
  for (int i = 0; i < threads; ++i) {
    threads_.emplace_back([this, nice, thread_name = absl::StrCat(name, "-", i)] {
      NameThread(thread_name);
      // On Linux this is a thread's own. A sandbox that forbids it costs the share, not the work.
      if (nice != 0) static_cast<void>(setpriority(PRIO_PROCESS, gettid(), nice));
      Loop();
    });
  }
}

ThreadPool::~ThreadPool() { Stop(); }

bool ThreadPool::TryRun(Task&& task, absl::Time deadline) {
  {
    Lock lock(mutex_);
    if (stopping_ || queue_.size() >= max_queued_) return false;
    queue_.emplace(deadline, std::move(task));
  }
  changed_.notify_one();
  return true;
}

void ThreadPool::Stop() {
  {
    Lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void ThreadPool::Loop() {
  Lock lock(mutex_);
  while (true) {
    while (!stopping_ && queue_.empty()) changed_.wait(lock);
    if (queue_.empty()) return;
    Task task = std::move(queue_.begin()->second);
    queue_.erase(queue_.begin());
    lock.unlock();
    std::move(task)();
    task = nullptr;  // what it holds is freed before the lock is taken again
    lock.lock();
  }
}

void NameThread(const std::string& name) {
  pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
}

}  // namespace patchserve
