#include "client/loadgen/loops.h"

#include <chrono>
#include <condition_variable>
#include <optional>

#include "absl/time/clock.h"
#include "server/base/mutex.h"

namespace patchserve {
namespace {

class Callers {
 public:
  Callers(const ClosedLoop& loop, absl::Duration end, const Clock& clock, const SendFunction& send,
          Recorder& recorder)
      : loop_(loop), end_(end), clock_(clock), send_(send), recorder_(recorder) {}

  void Run() {
    {
      Lock lock(mutex_);
      calling_ = loop_.concurrency;
    }
    for (int i = 0; i < loop_.concurrency; ++i) CallOrStop();
    Lock lock(mutex_);
    while (calling_ > 0) stopped_.wait(lock);
  }

 private:
  void CallOrStop() {
    const absl::Duration sent = clock_.now();
    if (sent >= end_) {
      // Notified under the lock: Run may return as soon as it is released.
      Lock lock(mutex_);
      --calling_;
      stopped_.notify_one();
      return;
    }
    send_(loop_.deadline, [this, sent](const absl::Status& status) {
      const absl::Duration latency = clock_.now() - sent;
      {
        Lock lock(mutex_);
        recorder_.Add({.intended = sent, .latency = latency, .status = status});
      }
      CallOrStop();
    });
  }

  const ClosedLoop& loop_;
  const absl::Duration end_;
  const Clock& clock_;
  const SendFunction& send_;
  Mutex mutex_;
  std::condition_variable stopped_;
  int calling_ ABSL_GUARDED_BY(mutex_) = 0;
  Recorder& recorder_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

Clock StartClock() {
  const auto start = std::chrono::steady_clock::now();
  const auto now = [start] { return absl::FromChrono(std::chrono::steady_clock::now() - start); };
  return {now, [now](absl::Duration when) { absl::SleepFor(when - now()); }};
}

void RunLoop(const ClosedLoop& loop, absl::Duration end, const Clock& clock,
             const SendFunction& send, Recorder& recorder) {
  Callers(loop, end, clock, send, recorder).Run();
}

void RunLoop(OpenLoop loop, absl::Duration end, const Clock& clock, const SendFunction& send,
             Recorder& recorder) {
  Mutex mutex;  // guards recorder too
  std::condition_variable answered;
  int outstanding = 0;  // guarded by mutex
  absl::Duration intended;
  while ((intended = loop.arrivals.Next()) < end) {
    clock.sleep_until(intended);
    const absl::Duration late = clock.now() - intended;
    {
      Lock lock(mutex);
      if (outstanding >= loop.max_outstanding || late >= loop.deadline) {
        recorder.Add({.intended = intended, .late = late, .status = std::nullopt});
        continue;
      }
      ++outstanding;
    }
    send(loop.deadline - late, [&, intended, late](const absl::Status& status) {
      const absl::Duration latency = clock.now() - intended;
      Lock lock(mutex);
      recorder.Add({.intended = intended, .late = late, .latency = latency, .status = status});
      --outstanding;
      answered.notify_one();
    });
  }
  clock.sleep_until(end);
  Lock lock(mutex);
  answered.wait(lock, [&] { return outstanding == 0; });
}

}  // namespace patchserve
