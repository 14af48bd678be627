// A device's runners: threads that ask the Scheduler for batches and run them.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "server/base/mutex.h"
#include "server/base/steady_clock.h"
#include "server/base/thread_pool.h"
#include "server/scheduling/between_batches.h"
#include "server/scheduling/scheduler.h"

namespace patchserve {

enum class DropReason {
  kExpired,    // it can't be in time any more
  kCancelled,  // nobody waits for it
};

// Thread-safe. No lock is held while a batch runs or an item is dropped. An item belongs to the
// executor from Push until it is run, dropped or given back.
template <typename Item>
class Executor {
 public:
  // To be called once by RunBatch when the device is done, before its answers are made: another
  // batch may start. False: what it took says nothing of the bucket.
  using DeviceDone = std::function<void(bool ok)>;
  // To be called once, after DeviceDone, when the batch is answered: so many were late. On any
  // thread, also after RunBatch has returned; the executor must be there.
  using Answered = std::function<void(int late)>;
  // Runs a batch in a bucket of so many images, and sees to it that it is answered.
  using RunBatch = std::function<void(std::vector<Item> batch, int bucket,
                                      const DeviceDone& device_done, Answered answered)>;

  struct Options {
    Scheduler::Options scheduler;
    std::function<void(int runner)> prepare_runner = [](int) {};  // once in each runner's thread
    // In a runner's thread: runs a batch that is alone, on 2, 4 ... cores. May be null where no
    // model has more than one.
    std::function<void(int cores, const std::function<void()>& batch)> run_alone;
    std::function<absl::Time()> now = SteadyNow;
    // Called on a runner, or on the thread that calls Cancel.
    std::function<void(Item item, DropReason reason)> drop;
  };

  explicit Executor(Options options)
      : options_(std::move(options)),
        scheduler_(options_.scheduler),
        between_(options_.scheduler.runners) {
    for (int i = 0; i < options_.scheduler.runners; ++i) {
      runners_.emplace_back([this, i] { Loop(i); });
    }
  }

  ~Executor() { Stop(); }

  // `run` is called on the runners, for several batches at once. Returns the model's number.
  int AddModel(int max_queued, CostModel cost, RunBatch run, int cores_of_lone = 1) {
    Lock lock(mutex_);
    const int model = scheduler_.AddModel(max_queued, std::move(cost), cores_of_lone);
    run_.resize(std::max<size_t>(run_.size(), model + 1));
    run_[model] = std::make_shared<RunBatch>(std::move(run));
    return model;
  }

  // Its number may be another model's from here on. Nothing of it may wait; its last batch may
  // still be running.
  void RemoveModel(int model) {
    Lock lock(mutex_);
    run_[model] = nullptr;
    scheduler_.RemoveModel(model);
  }

  void LimitBatch(int model, int most) {
    Lock lock(mutex_);
    scheduler_.LimitBatch(model, most);
  }

  // Asks for a place for an item that is still to be decoded. The ticket of one that is admitted
  // must be pushed or cancelled.
  [[nodiscard]] Admission Admit(const Asking& asking) {
    Lock lock(mutex_);
    return scheduler_.Admit(asking, options_.now());
  }

  // The item of that ticket is ready to run. Gives it back after Stop, or if it was cancelled.
  [[nodiscard]] std::optional<Item> Push(int64_t ticket, Item item) {
    {
      Lock lock(mutex_);
      if (stopping_) scheduler_.Leave(ticket, options_.now());
      if (!scheduler_.Ready(ticket, options_.now())) return item;
      items_.emplace(ticket, std::move(item));
    }
    changed_.notify_one();
    return std::nullopt;
  }

  // Frees the ticket's place, and drops its item on this thread if it was pushed.
  void Cancel(int64_t ticket) {
    Lock lock(mutex_);
    const bool in_time = scheduler_.Leave(ticket, options_.now());
    auto pushed = items_.extract(ticket);
    lock.unlock();
    // gRPC cancels a call whose deadline passes: then it is the deadline that counts.
    const DropReason reason = in_time ? DropReason::kCancelled : DropReason::kExpired;
    if (pushed) options_.drop(std::move(pushed.mapped()), reason);
  }

  // Whether an item of the model can still be in time.
  bool InTime(int model, absl::Time deadline) {
    Lock lock(mutex_);
    return scheduler_.InTime(model, deadline, options_.now());
  }

  // How long one more item of the model would wait for its batch.
  absl::Duration PredictedWait(int model) {
    Lock lock(mutex_);
    return scheduler_.Wait(model, options_.now());
  }

  // Runs `work` on that runner when no item waits for one, at the latest after `patience`, and
  // blocks until it is done. `expected`: how long it will keep the runner. False: Stop came first.
  bool RunBetween(int runner, std::function<void()> work, absl::Duration expected,
                  absl::Duration patience) {
    Lock lock(mutex_);
    if (stopping_) return false;
    std::future<bool> ran =
        between_.Add(runner, {std::move(work), expected, options_.now() + patience});
    lock.unlock();
    changed_.notify_all();
    return ran.get();
  }

  // Runs what is queued, then joins the runners. A second call does nothing.
  void Stop() {
    {
      Lock lock(mutex_);
      stopping_ = true;
      between_.GiveUp();
    }
    changed_.notify_all();
    for (std::thread& runner : runners_) runner.join();
    runners_.clear();
  }

 private:
  void Loop(int runner) {
    NameThread(absl::StrCat("runner-", runner));
    options_.prepare_runner(runner);
    Lock lock(mutex_);
    while (true) {
      const absl::Time now = options_.now();
      if (auto between = between_.Take(runner, scheduler_.ready() > 0, now)) {
        const int64_t run = scheduler_.Occupy(between->expected, now);
        lock.unlock();
        between->run();
        lock.lock();
        scheduler_.Ended(run, options_.now());
        between->ran.set_value(true);
        continue;
      }
      if (scheduler_.ready() == 0 && stopping_) return;
      const Scheduler::Batch batch = scheduler_.Next(now, /*draining=*/stopping_);
      if (batch.model >= 0 || !batch.late.empty()) {
        Taken taken = Take(batch);
        lock.unlock();
        Do(batch, std::move(taken));
        lock.lock();
      } else if (batch.wake == absl::InfiniteFuture()) {
        changed_.wait(lock);
      } else {
        changed_.wait_for(lock, absl::ToChronoNanoseconds(batch.wake - now));
      }
    }
  }

  struct Taken {
    std::shared_ptr<RunBatch> run;  // null: there is no batch
    std::vector<Item> items, late;
  };

  Taken Take(const Scheduler::Batch& batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    Taken taken{batch.model < 0 ? nullptr : run_[batch.model], TakeItems(batch.requests),
                TakeItems(batch.late)};
    // Another runner may take what this one leaves.
    if (scheduler_.ready() > 0) changed_.notify_one();
    return taken;
  }

  void Do(const Scheduler::Batch& batch, Taken taken) {
    for (Item& item : taken.late) options_.drop(std::move(item), DropReason::kExpired);
    const auto run = std::move(taken.run);
    if (run == nullptr) return;
    const auto learns = std::make_shared<bool>(true);
    const auto run_batch = [&] {
      (*run)(
          std::move(taken.items), batch.bucket,
          [&](bool ok) {
            Lock done(mutex_);
            // The model may have gone with its last batch.
            *learns = scheduler_.Ended(batch.run, options_.now(), ok && run == run_[batch.model]);
            // A runner that waits for the right moment may find that it has come.
            if (scheduler_.ready() > 0) changed_.notify_all();
          },
          [this, run, learns, model = batch.model,
           requests = static_cast<int>(batch.requests.size())](int late) {
            Lock done(mutex_);
            if (*learns && run == run_[model]) scheduler_.Answered(model, requests, late);
          });
    };
    if (batch.cores > 1) return options_.run_alone(batch.cores, run_batch);
    run_batch();
  }

  std::vector<Item> TakeItems(const std::vector<int64_t>& tickets)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    std::vector<Item> items;
    for (int64_t ticket : tickets) items.push_back(std::move(items_.extract(ticket).mapped()));
    return items;
  }

  const Options options_;
  Mutex mutex_;
  std::condition_variable changed_;
  Scheduler scheduler_ ABSL_GUARDED_BY(mutex_);
  // Those that are pushed and wait, by ticket.
  std::unordered_map<int64_t, Item> items_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<RunBatch>> run_ ABSL_GUARDED_BY(mutex_);  // by model
  BetweenBatches between_ ABSL_GUARDED_BY(mutex_);                      // not started
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> runners_;
};

}  // namespace patchserve
