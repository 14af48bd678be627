// What the scheduler costs an item. Argument: how many items are queued.
//
// "linear" models run their batches in proportion to their size, as on a core: batches
// of one. "flat" ones take the same time for 1 to 32 images, as on a GPU: batches of 32,
// or of all that is queued.
#include <benchmark/benchmark.h>

#include <latch>
#include <vector>

#include "server/scheduling/batch_rule.h"
#include "server/scheduling/executor.h"

namespace patchserve {
namespace {

constexpr int kMaxBatch = 32;
constexpr int kMaxQueued = 256;

CostModel Linear() { return CostModel({{1, absl::Milliseconds(1)}}, kMaxBatch); }
CostModel Flat() {
  return CostModel({{1, absl::Milliseconds(1)}, {kMaxBatch, absl::Milliseconds(1)}}, kMaxBatch);
}

// Takes a batch and pushes as many items as it held; deadlines 10 s off, give or take 1 s.
void PushAndNext(benchmark::State& state, CostModel (*cost)()) {
  BatchRule<int> rule({});
  const int model = rule.AddModel({.max_queued = kMaxQueued}, cost());
  absl::Time now = absl::UnixEpoch();
  uint32_t random = 1;
  const auto push = [&] {
    random = random * 1664525 + 1013904223;
    const absl::Duration budget = absl::Seconds(9) + absl::Microseconds(random >> 11);
    benchmark::DoNotOptimize(rule.Push(model, 0, now + budget, now));
  };
  for (int i = 0; i < state.range(0); ++i) push();
  int64_t items = 0;
  for (auto _ : state) {
    now += absl::Microseconds(1);
    const auto decision = rule.Next(now, /*idle=*/1);
    items += decision.batch.size();
    for (size_t i = 0; i < decision.batch.size(); ++i) push();
  }
  state.SetItemsProcessed(items);
}
BENCHMARK_CAPTURE(PushAndNext, linear, Linear)->Arg(1)->Arg(32)->Arg(kMaxQueued);
BENCHMARK_CAPTURE(PushAndNext, flat, Flat)->Arg(1)->Arg(32)->Arg(kMaxQueued);

// Asks for a place where it is decided at the cost of a walk through the whole queue: beside as
// many items, all with about as much time as they need, of a model whose batches hold up to 64.
void Ask(benchmark::State& state) {
  BatchRule<int> rule({});
  const int model =
      rule.AddModel({.max_queued = 4096},
                    CostModel({{1, absl::Milliseconds(10)}, {64, absl::Milliseconds(136)}}, 64));
  const absl::Time now = absl::UnixEpoch();
  const absl::Duration each = absl::Milliseconds(2.2);
  const auto queued = static_cast<int>(state.range(0));
  for (int i = 1; i <= queued; ++i) {
    const absl::Time due = now + each * i + absl::Milliseconds(60);
    benchmark::DoNotOptimize(rule.Push(model, i, due, now, /*admitted=*/true));
  }
  const absl::Time due = now + each * queued / 2 + absl::Milliseconds(60);
  const RunnerState busy{.sum = absl::Milliseconds(50), .least = absl::Milliseconds(50)};
  for (auto _ : state) {
    const Admission answer = rule.Ask({.model = model, .deadline = due}, busy, now);
    if (answer.answer == Admission::Answer::kAdmitted) rule.TakeBack(model, due);
  }
}
BENCHMARK(Ask)->Arg(1)->Arg(32)->Arg(kMaxQueued)->Arg(1024);

// As many items as the argument says through an executor with one runner and a model
// that does nothing: the time from the first push to the last answer. Waking the runner
// and the caller is a part of it, and most of it for a lone item.
void ThroughExecutor(benchmark::State& state, CostModel (*cost)()) {
  Executor<std::latch*> executor({.drop = [](std::latch*, DropReason) {}});
  const int model = executor.AddModel({.max_queued = kMaxQueued}, cost(), [](auto batch) {
    for (std::latch* done : batch) done->count_down();
  });
  const absl::Duration budget = absl::Seconds(10);
  for (auto _ : state) {
    std::latch done(state.range(0));
    const absl::Time deadline = absl::Now() + budget;
    for (int i = 0; i < state.range(0); ++i) {
      benchmark::DoNotOptimize(executor.Push(model, &done, deadline));
    }
    done.wait();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK_CAPTURE(ThroughExecutor, linear, Linear)
    ->Arg(1)
    ->Arg(32)
    ->Arg(kMaxQueued)
    ->MeasureProcessCPUTime()
    ->UseRealTime();

}  // namespace
}  // namespace patchserve
