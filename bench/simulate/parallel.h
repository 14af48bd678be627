// Runs independent work on several threads.
#pragma once

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

namespace patchserve::simulate {

// work(0) to work(count - 1), each once, by `jobs` threads; returns when all are done.
inline void ForEach(int jobs, size_t count, const std::function<void(size_t)>& work) {
  std::atomic<size_t> next = 0;
  std::vector<std::thread> threads;
  for (int job = 0; job < jobs; ++job) {
    threads.emplace_back([&] {
      for (size_t i = next++; i < count; i = next++) work(i);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace patchserve::simulate
