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
