// Work for a runner that isn't a batch, such as the warm-up of a model while others serve.
#pragma once

#include <deque>
#include <functional>
#include <future>
#include <optional>
#include <utility>
#include <vector>

#include "absl/time/time.h"

namespace patchserve {

// By runner, first in, first out. Guarded by the executor's lock.
class BetweenBatches {
 public:
  struct Work {
    std::function<void()> run;
    absl::Duration expected;      // how long it keeps the runner
    absl::Time by;                // it goes before batches from then on
    std::promise<bool> ran = {};  // false: it was given up
  };

  explicit BetweenBatches(int runners) : waiting_(runners) {}

  std::future<bool> Add(int runner, Work work) {
    return waiting_[runner].emplace_back(std::move(work)).ran.get_future();
  }

  // What the runner should do now, `busy` if it could run a batch instead.
  std::optional<Work> Take(int runner, bool busy, absl::Time now) {
    std::deque<Work>& waiting = waiting_[runner];
    if (waiting.empty() || (busy && now < waiting.front().by)) return std::nullopt;
    Work first = std::move(waiting.front());
    waiting.pop_front();
    return first;
  }

  void GiveUp() {
    for (auto& waiting : waiting_) {
      for (Work& work : waiting) work.ran.set_value(false);
      waiting.clear();
    }
  }

 private:
  std::vector<std::deque<Work>> waiting_;
};

}  // namespace patchserve
