// Work for a runner that isn't a batch, such as the warm-up of a model while others serve.
#pragma once

#include <deque>
#include <functional>
#include <vector>

#include "absl/time/time.h"

namespace patchserve {

// By runner, first in, first out. Work belongs to the thread that waits for it. Not thread-safe.
class BetweenBatches {
 public:
  struct Work {
    std::function<void()> run;
    absl::Duration expected;  // how long it keeps the runner
    absl::Time by;            // it goes before batches from then on
    bool ran = false;
    bool over = false;  // nobody will run it any more
  };

  explicit BetweenBatches(int runners) : waiting_(runners) {}

  void Add(int runner, Work& work) { waiting_[runner].push_back(&work); }
  bool Waits(int runner) const { return !waiting_[runner].empty(); }

  // Takes what the runner should do now, `busy` if it could run a batch instead; null: nothing.
  Work* Take(int runner, bool busy, absl::Time now) {
    if (!Waits(runner) || (busy && now < waiting_[runner].front()->by)) return nullptr;
    Work* first = waiting_[runner].front();
    waiting_[runner].pop_front();
    return first;
  }

  // Nothing that waits will run.
  void GiveUp() {
    for (auto& waiting : waiting_) {
      for (Work* work : waiting) work->over = true;
      waiting.clear();
    }
  }

 private:
  std::vector<std::deque<Work*>> waiting_;
};

}  // namespace patchserve
