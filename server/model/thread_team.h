// Threads that run one network together.
#pragma once

#include <functional>
#include <memory>

#include "server/base/thread_pool.h"

namespace patchserve {

// One thread, and the threads of libgomp that help it, which are there from the start: libgomp ends
// the process where it can't start one that it wants. It keeps those that it has while their number
// stays the same. How long they wait awake for the next network is said by OMP_WAIT_POLICY and
// GOMP_SPINCOUNT (docs/flags.md). Thread-safe.
class ThreadTeam {
 public:
  // So many threads, at least two. Null: the process may not start so many more.
  static std::unique_ptr<ThreadTeam> Start(int threads);

  // Runs `work` on the team's first thread, on which LibTorch uses all of them, and returns when it
  // is done.
  void Run(const std::function<void()>& work);

 private:
  explicit ThreadTeam(int threads);

  const int threads_;
  ThreadPool first_;
};

}  // namespace patchserve
