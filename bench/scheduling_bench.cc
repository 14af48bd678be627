// What the scheduler costs a request. First argument: how many others wait.
//
// "cpu": every size to 8 is a bucket, and time is in proportion to it, so images run one by one.
// "gpu": buckets to 128 that take as long as those of vit_tiny on an H100. Deadlines are all alike,
// or mixed: from 10 s to 70 s from now.
//
//   build/bin/pipeline_bench --benchmark_filter='Admit|Next|Life'
#include <benchmark/benchmark.h>

#include <chrono>
#include <deque>
#include <latch>
#include <vector>

#include "server/pipeline/batch_buckets.h"
#include "server/scheduling/executor.h"
#include "server/scheduling/scheduler.h"

namespace patchserve {
namespace {

constexpr int kMaxQueued = 1 << 20;

CostModel Cost(const std::vector<int>& buckets, absl::Duration first, absl::Duration each) {
  std::vector<CostModel::Sample> measured;
  for (int bucket : buckets) measured.push_back({bucket, first + (bucket - 1) * each});
  CostModel cost(buckets, measured);
  for (const CostModel::Sample& sample : measured) {
    cost.Observe(sample.bucket, sample.took, absl::UnixEpoch());
  }
  return cost;
}
CostModel Cpu() {
  return Cost(BatchBuckets(true, 8), absl::Milliseconds(1), absl::Milliseconds(1));
}
CostModel Gpu() {
  return Cost(BatchBuckets(false, 128), absl::Milliseconds(2.7), absl::Microseconds(35));
}

enum Deadlines { kAlike, kMixed };

// A runner that is always busy, and so many requests that wait. Time stands nearly still.
class Waiting {
 public:
  Waiting(CostModel (*cost)(), Deadlines deadlines, int64_t waiting)
      : deadlines_(deadlines), scheduler_({.runners = 1}) {
    scheduler_.AddModel(kMaxQueued, cost());
    while (static_cast<int64_t>(tickets_.size()) < waiting) {
      const int64_t ticket = Admit();
      Ready(ticket);
      tickets_.push_back(ticket);
      now_ += absl::Milliseconds(1);
    }
  }

  int64_t Admit() {
    absl::Duration budget = absl::Seconds(10);
    if (deadlines_ == kMixed) {
      random_ = random_ * 1664525 + 1013904223;
      budget += absl::Microseconds(random_ >> 6);  // up to 67 s
    }
    now_ += absl::Nanoseconds(100);
    const Admission admission = scheduler_.Admit({.deadline = now_ + budget}, now_);
    if (admission.answer != Admission::Answer::kAdmitted) std::abort();
    return admission.ticket;
  }
  void Ready(int64_t ticket) { scheduler_.Ready(ticket, now_); }
  void Leave(int64_t ticket) { scheduler_.Leave(ticket, now_); }

  // Ends the batch that runs, if one does, and takes the next; returns its size.
  size_t Next() {
    if (running_.run >= 0) scheduler_.Ended(running_.run, now_ += took_);
    running_ = scheduler_.Next(now_, /*draining=*/true);
    if (running_.model < 0) std::abort();
    took_ = scheduler_.device().models[0].cost.Expected(running_.bucket);
    return running_.requests.size();
  }

 private:
  const Deadlines deadlines_;
  Scheduler scheduler_;
  absl::Time now_ = absl::UnixEpoch();
  uint32_t random_ = 1;
  std::deque<int64_t> tickets_;
  Scheduler::Batch running_;
  absl::Duration took_;
};

// Time that is spent in the parts that are measured; the rest of an iteration isn't counted.
class Stopwatch {
 public:
  template <typename Function>
  void Measure(const Function& function) {
    const auto start = std::chrono::steady_clock::now();
    function();
    spent_ += std::chrono::steady_clock::now() - start;
  }
  double Seconds() {
    const double seconds = spent_.count();
    spent_ = {};
    return seconds;
  }

 private:
  std::chrono::duration<double> spent_{};
};

// So many in a row, so that reading the clock counts for little.
constexpr int kInARow = 64;
// Most of their time isn't measured: left alone, the library would run them for minutes.
constexpr int kIterations = 3000;

void Admit(benchmark::State& state, CostModel (*cost)(), Deadlines deadlines) {
  Waiting waiting(cost, deadlines, state.range(0));
  Stopwatch watch;
  std::vector<int64_t> tickets(kInARow);
  for (auto _ : state) {
    watch.Measure([&] {
      for (int64_t& ticket : tickets) ticket = waiting.Admit();
    });
    for (int64_t ticket : tickets) waiting.Leave(ticket);
    state.SetIterationTime(watch.Seconds() / kInARow);
  }
}

// Where it is decided among promises that are just kept, in the middle of the queue.
void AdmitWhereTimeIsShort(benchmark::State& state, CostModel (*cost)()) {
  Scheduler scheduler({.runners = 1});
  scheduler.AddModel(kMaxQueued, cost());
  const absl::Time now = absl::UnixEpoch();
  const absl::Duration each =
      scheduler.device().models[0].cost.Expected(scheduler.device().models[0].batch) /
      scheduler.device().models[0].batch;
  const absl::Duration spare = absl::Milliseconds(20);
  const auto ask = [&](int64_t place) {
    return scheduler.Admit(
        {.criticality = Criticality::kCritical, .deadline = now + place * each + spare}, now);
  };
  for (int64_t i = 1; i <= state.range(0); ++i) scheduler.Ready(ask(i).ticket, now);
  int64_t admitted = 0, asked = 0;
  for (auto _ : state) {
    const Admission admission = ask(++asked % state.range(0));
    if (admission.ticket < 0) continue;
    ++admitted;
    scheduler.Leave(admission.ticket, now);
  }
  state.counters["admitted"] = static_cast<double>(admitted) / static_cast<double>(asked);
  state.counters["wait"] = scheduler.device().models[0].waiting();
}
BENCHMARK_CAPTURE(AdmitWhereTimeIsShort, cpu, Cpu)->Arg(1)->Arg(256)->Arg(4096);
BENCHMARK_CAPTURE(AdmitWhereTimeIsShort, gpu, Gpu)->Arg(1)->Arg(256)->Arg(4096);

void Ready(benchmark::State& state, CostModel (*cost)(), Deadlines deadlines) {
  Waiting waiting(cost, deadlines, state.range(0));
  Stopwatch watch;
  std::vector<int64_t> tickets(kInARow);
  for (auto _ : state) {
    for (int64_t& ticket : tickets) ticket = waiting.Admit();
    watch.Measure([&] {
      for (int64_t ticket : tickets) waiting.Ready(ticket);
    });
    for (int64_t ticket : tickets) waiting.Leave(ticket);
    state.SetIterationTime(watch.Seconds() / kInARow);
  }
}

// A batch: its end before, and the choice of this one.
void EndAndNext(benchmark::State& state, CostModel (*cost)(), Deadlines deadlines) {
  Waiting waiting(cost, deadlines, state.range(0));
  Stopwatch watch;
  int64_t images = 0;
  for (auto _ : state) {
    size_t batch = 0;
    watch.Measure([&] { batch = waiting.Next(); });
    for (size_t i = 0; i < batch; ++i) waiting.Ready(waiting.Admit());
    images += static_cast<int64_t>(batch);
    state.SetIterationTime(watch.Seconds());
  }
  state.counters["batch"] = static_cast<double>(images) / static_cast<double>(state.iterations());
}

// All of a request's life: Admit, Ready, and its part of Next and Ended. The items are requests.
void Life(benchmark::State& state, CostModel (*cost)(), Deadlines deadlines) {
  Waiting waiting(cost, deadlines, state.range(0));
  int64_t images = 0;
  for (auto _ : state) {
    const size_t batch = waiting.Next();
    for (size_t i = 0; i < batch; ++i) waiting.Ready(waiting.Admit());
    images += static_cast<int64_t>(batch);
  }
  state.SetItemsProcessed(images);
}

void Register() {
  for (const auto& [name, cost] : {std::pair("cpu", &Cpu), std::pair("gpu", &Gpu)}) {
    for (const auto& [which, deadlines] :
         {std::pair("alike", kAlike), std::pair("mixed", kMixed)}) {
      const auto add = [&, name = name, cost = cost, which = which, deadlines = deadlines](
                           const char* part, auto* function) {
        return benchmark::RegisterBenchmark((std::string(part) + "/" + name + "/" + which).c_str(),
                                            function, cost, deadlines)
            ->Unit(benchmark::kMicrosecond)
            ->Arg(1)
            ->Arg(256)
            ->Arg(4096);
      };
      add("Admit", &Admit)->UseManualTime()->Iterations(kIterations);
      add("Ready", &Ready)->UseManualTime()->Iterations(kIterations);
      add("EndAndNext", &EndAndNext)->UseManualTime()->Iterations(kIterations);
      add("Life", &Life);
    }
  }
}
const bool registered = (Register(), true);

// As many requests as the argument says through an executor with one runner and a model that does
// nothing: the time from the first Admit to the last answer. Waking the runner and the caller is a
// part of it, and most of it for a lone request.
void ThroughExecutor(benchmark::State& state, CostModel (*cost)()) {
  Executor<std::latch*> executor({.drop = [](std::latch*, DropReason) {}});
  const int model = executor.AddModel(kMaxQueued, cost(),
                                      [](auto batch, int, const auto& device_done, auto answered) {
                                        device_done(true);
                                        answered(0);
                                        for (std::latch* done : batch) done->count_down();
                                      });
  for (auto _ : state) {
    std::latch done(state.range(0));
    const absl::Time deadline = SteadyNow() + absl::Seconds(100);
    for (int i = 0; i < state.range(0); ++i) {
      const Admission admission = executor.Admit({.model = model, .deadline = deadline});
      if (executor.Push(admission.ticket, &done)) std::abort();
    }
    done.wait();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK_CAPTURE(ThroughExecutor, cpu, Cpu)
    ->Arg(1)
    ->Arg(32)
    ->Arg(256)
    ->MeasureProcessCPUTime()
    ->UseRealTime();

}  // namespace
}  // namespace patchserve
