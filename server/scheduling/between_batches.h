// Work for a runner that isn't a batch, such as the warm-up of a model while others serve.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <vector>

#include "absl/time/time.h"

namespace patchserve {

// By runner, first in, first out. Guarded by the executor's lock.
class BetweenBatches {
 public:
  struct Work {
    std::function<void()> run;
    absl::Duration expected;  // how long it keeps the runner
    absl::Time by;            // it goes before batches from then on
    bool ran = false;
    bool given_up = false;
  };

  explicit BetweenBatches(int runners) : waiting_(runners) {}

  // Blocks until the runner has done the work. False: it was given up.
  bool Wait(int runner, Work work, std::unique_lock<std::mutex>& lock) {
    waiting_[runner].push_back(&work);
    over_.wait(lock, [&] { return work.ran || work.given_up; });
    return work.ran;
  }

  bool Waits(int runner) const { return !waiting_[runner].empty(); }

  // Takes what the runner should do now, `busy` if it could run a batch instead; null: nothing.
  Work* Take(int runner, bool busy, absl::Time now) {
    if (!Waits(runner) || (busy && now < waiting_[runner].front()->by)) return nullptr;
    Work* first = waiting_[runner].front();
    waiting_[runner].pop_front();
    return first;
  }
  void Ran(Work& work) {
    work.ran = true;
    over_.notify_all();
  }

  void GiveUp() {
    for (auto& waiting : waiting_) {
      for (Work* work : waiting) work->given_up = true;
      waiting.clear();
    }
    over_.notify_all();
  }

 private:
  std::vector<std::deque<Work*>> waiting_;
  std::condition_variable over_;
};

}  // namespace patchserve
