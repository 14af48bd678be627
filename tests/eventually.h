// For what happens in another thread's own time, where there is nothing to wait on.
#pragma once

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>

namespace patchserve {

// Asks until `holds` says true. After two minutes, far beyond what a slow machine takes, the test
// program ends and says what it waited for: a test that hangs says nothing.
template <typename Predicate>
void Eventually(const std::string& what, Predicate holds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(2);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) {
      std::cerr << "waited in vain: " << what << std::endl;
      std::abort();
    }
    std::this_thread::yield();
  }
}

}  // namespace patchserve
