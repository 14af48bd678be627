// Runs many calls at once and hands their results over in the order of the calls.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"

namespace patchserve {

// Calls start(i, done) for i from 0 to count - 1, in order. Each must call done
// with its result once, from any thread, at once or later; at most `concurrency`
// (1 or more) are without their result at any time. Calls take(i, result) in the
// order of i, each as soon as it and all before it are there.
//
// One slow call holds the results behind it back; when kWindow * concurrency of
// them wait, no more is started, so memory is bounded whatever the count.
//
// `take` returns whether to go on. If not, nothing more is started or taken.
// Both functions run on the calling thread. Returns when no call is under way.
template <typename Result>
void RunInOrder(size_t count, size_t concurrency,
                absl::FunctionRef<void(size_t, absl::AnyInvocable<void(Result) &&>)> start,
                absl::FunctionRef<bool(size_t, Result)> take) {
  constexpr size_t kWindow = 4;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::optional<Result>> window;  // guarded by mutex; calls [taken, started)
  size_t running = 0;                        // guarded by mutex
  size_t taken = 0;
  size_t started = 0;
  bool stopped = false;

  const auto done = [&](size_t i, Result result) {
    // Notified under the lock: RunInOrder may return as soon as it is released.
    std::lock_guard lock(mutex);
    window[i - taken] = std::move(result);
    --running;
    changed.notify_one();
  };
  const auto may_start = [&] {
    return !stopped && started < count && running < concurrency &&
           window.size() < kWindow * concurrency;
  };
  const auto may_take = [&] { return !stopped && !window.empty() && window.front().has_value(); };
  const auto finished = [&] {
    return running == 0 && (stopped || (started == count && window.empty()));
  };

  std::unique_lock lock(mutex);
  while (true) {
    changed.wait(lock, [&] { return may_take() || may_start() || finished(); });
    if (may_take()) {
      Result result = *std::move(window.front());
      window.pop_front();
      const size_t i = taken++;
      lock.unlock();
      stopped = !take(i, std::move(result));
      lock.lock();
    } else if (may_start()) {
      const size_t i = started++;
      window.emplace_back();
      ++running;
      lock.unlock();
      start(i, [&done, i](Result result) { done(i, std::move(result)); });
      lock.lock();
    } else {
      return;
    }
  }
}

}  // namespace patchserve
