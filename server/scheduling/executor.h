// A device's runners: threads that ask the BatchRule for work and do it.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "server/base/thread_pool.h"
#include "server/scheduling/batch_rule.h"

namespace patchserve {

// Thread-safe. No lock is held while a batch runs or an item is dropped.
template <typename Item>
class Executor {
 public:
  using ModelOptions = typename BatchRule<Item>::ModelOptions;
  using RunBatch = std::function<void(std::vector<Item> batch)>;
  using Drop = std::function<void(Item item, DropReason reason)>;

  struct Options {
    typename BatchRule<Item>::Options rule;
    std::function<void()> prepare_runner = [] {};  // once in each runner's thread
    std::function<absl::Time()> now = [] { return absl::Now(); };
    Drop drop;  // called on a runner, or on the thread that calls DropDead
  };

  explicit Executor(Options options) : options_(std::move(options)), rule_(options_.rule) {
    busy_until_.resize(options_.rule.runners, absl::InfinitePast());
    for (int i = 0; i < options_.rule.runners; ++i) {
      runners_.emplace_back([this, i] {
        NameThread(absl::StrCat("runner-", i));
        options_.prepare_runner();
        Loop(busy_until_[i]);
      });
    }
  }

  ~Executor() { Stop(); }

  // `run` is called on a runner, for several batches at once if there are several
  // runners. Returns the number that Push takes.
  int AddModel(const ModelOptions& options, CostModel cost, RunBatch run) {
    std::lock_guard lock(mutex_);
    const int model = rule_.AddModel(options, std::move(cost));
    run_.resize(std::max<size_t>(run_.size(), model + 1));
    run_[model] = std::make_shared<RunBatch>(std::move(run));
    return model;
  }

  // Its number may be another model's from here on. Nothing of it may wait or be on its
  // way; its last batch may still be running.
  void RemoveModel(int model) {
    std::lock_guard lock(mutex_);
    run_[model] = nullptr;
    rule_.RemoveModel(model);
  }

  void LimitBatch(int model, int most) {
    std::lock_guard lock(mutex_);
    rule_.LimitBatch(model, most);
  }

  // Asks for a place for an item that is still to be decoded. Who is admitted must push
  // it as `reserved`, or give the place back with TakeBack.
  [[nodiscard]] Admission Reserve(const Asking& item) {
    std::lock_guard lock(mutex_);
    const absl::Time now = options_.now();
    return rule_.Ask(item, RunnersAt(now), now);
  }
  void TakeBack(int model, absl::Time deadline) {
    std::lock_guard lock(mutex_);
    rule_.TakeBack(model, deadline);
  }

  // An admitted item was answered, in time or not: see punctuality.h.
  void Answered(int model, bool in_time, double slack) {
    std::lock_guard lock(mutex_);
    rule_.Answered(model, in_time, slack);
  }

  // How long one more item would wait before it runs.
  absl::Duration PredictedWait(int model) {
    std::lock_guard lock(mutex_);
    const absl::Time now = options_.now();
    const Load load = rule_.Find(model, absl::InfiniteFuture(), RunnersAt(now), now);
    return load.running + load.ahead;
  }

  // How long an item of this model runs alone, at best.
  absl::Duration ExpectedRun(int model) {
    std::lock_guard lock(mutex_);
    return rule_.cost(model).Expected(1);
  }

  // Gives the item back if its model's queue is full, or after Stop.
  [[nodiscard]] std::optional<Item> Push(int model, Item item, absl::Time deadline,
                                         bool reserved = false) {
    {
      std::lock_guard lock(mutex_);
      if (stopping_) return item;
      std::optional<Item> refused =
          rule_.Push(model, std::move(item), deadline, options_.now(), /*admitted=*/reserved);
      if (refused.has_value()) return refused;
    }
    changed_.notify_one();
    return std::nullopt;
  }

  // Runs `work` on a runner when no item waits for one, at the latest after `patience`, and
  // blocks until it is done. `expected` is how long it will keep the runner. False: Stop
  // came first.
  bool RunBetween(std::function<void()> work, absl::Duration expected, absl::Duration patience) {
    Between between{std::move(work), expected, options_.now() + patience};
    std::unique_lock lock(mutex_);
    if (stopping_) return false;
    between_.push_back(&between);
    changed_.notify_one();
    between_over_.wait(lock, [&] { return between.over; });
    return between.ran;
  }

  // Whether RunBetween waits for a runner. For tests.
  bool HasWorkBetween() {
    std::lock_guard lock(mutex_);
    return !between_.empty();
  }

  // Drops the items that are cancelled or late by now, on the calling thread.
  void DropDead() {
    std::vector<typename BatchRule<Item>::Dropped> dead;
    {
      std::lock_guard lock(mutex_);
      dead = rule_.TakeDead(options_.now());
    }
    for (auto& dropped : dead) options_.drop(std::move(dropped.item), dropped.reason);
  }

  // Runs what is queued, without waiting for more, then joins the runners. A second
  // call does nothing.
  void Stop() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
      for (Between* between : between_) between->over = true;
      between_.clear();
    }
    between_over_.notify_all();
    changed_.notify_all();
    for (std::thread& runner : runners_) runner.join();
    runners_.clear();
  }

 private:
  // Work that isn't a batch. Owned by the thread that waits for it, guarded by mutex_.
  struct Between {
    std::function<void()> work;
    absl::Duration expected;
    absl::Time by;  // it goes before batches from then on
    bool ran = false;
    bool over = false;
  };

  void Loop(absl::Time& busy_until) {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return stopping_ || rule_.queued() > 0 || !between_.empty(); });
      const absl::Time now = options_.now();
      if (Between* between = TakeBetween(now)) {
        busy_until = now + between->expected;
        Do(*between, lock);
        busy_until = absl::InfinitePast();
        continue;
      }
      if (rule_.queued() == 0) return;
      auto decision = rule_.Next(now, Idle(), /*may_wait=*/!stopping_);
      if (decision.model < 0 && decision.dropped.empty()) {
        changed_.wait_for(lock, absl::ToChronoNanoseconds(decision.wake - now));
        continue;
      }
      if (decision.model >= 0) {
        const int size = static_cast<int>(decision.batch.size());
        busy_until = now + rule_.cost(decision.model).Expected(size);
      }
      Do(std::move(decision), lock);
      busy_until = absl::InfinitePast();
    }
  }

  // Unlocks for as long as it calls out.
  void Do(typename BatchRule<Item>::Decision decision, std::unique_lock<std::mutex>& lock) {
    const int model = decision.model, size = static_cast<int>(decision.batch.size());
    std::shared_ptr<RunBatch> run;
    if (model >= 0) run = run_[model];
    lock.unlock();
    for (auto& dropped : decision.dropped) options_.drop(std::move(dropped.item), dropped.reason);
    const absl::Time started = options_.now();
    if (run != nullptr) (*run)(std::move(decision.batch));
    const absl::Time ended = options_.now();
    lock.lock();
    // The model may have gone with its last batch.
    if (run != nullptr && run == run_[model]) rule_.Observe(model, size, ended - started);
  }

  // Null: nothing that should run now. Needs mutex_.
  Between* TakeBetween(absl::Time now) {
    if (between_.empty()) return nullptr;
    Between* first = between_.front();
    if (rule_.queued() > 0 && now < first->by) return nullptr;
    between_.pop_front();
    return first;
  }

  // Unlocks for as long as it calls out.
  void Do(Between& between, std::unique_lock<std::mutex>& lock) {
    lock.unlock();
    between.work();
    lock.lock();
    between.ran = between.over = true;
    between_over_.notify_all();
  }

  // Both need mutex_.
  int Idle() const {
    return static_cast<int>(
        std::count(busy_until_.begin(), busy_until_.end(), absl::InfinitePast()));
  }
  RunnerState RunnersAt(absl::Time now) const {
    RunnerState runners{.idle = Idle()};
    for (absl::Time until : busy_until_) {
      if (until != absl::InfinitePast()) runners.Busy(until - now);
    }
    return runners;
  }

  const Options options_;
  std::mutex mutex_;
  std::condition_variable changed_;
  BatchRule<Item> rule_;                        // guarded by mutex_
  std::vector<std::shared_ptr<RunBatch>> run_;  // by model; guarded by mutex_
  // By runner: when it is expected to be done, infinitely past if it is free. Guarded by mutex_.
  std::vector<absl::Time> busy_until_;
  std::deque<Between*> between_;  // not started; guarded by mutex_
  std::condition_variable between_over_;
  bool stopping_ = false;  // guarded by mutex_
  std::vector<std::thread> runners_;
};

}  // namespace patchserve
