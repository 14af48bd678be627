// What a batch costs the thread that hands it to a GPU as a graph, over a device that does nothing:
// all that stands between one launch and the next but the scheduler. Argument: images in the batch.
//
//   build/bin/model_bench --benchmark_filter=HostWork
#include <benchmark/benchmark.h>

#include <memory>
#include <new>
#include <string>
#include <vector>

#include "bench/checkpoint.h"
#include "server/model/engine.h"
#include "server/model/graph_device.h"

namespace patchserve {
namespace {

class IdleDevice : public GraphDevice {
 public:
  std::shared_ptr<void> HostMemory(size_t bytes) override {
    return {::operator new(bytes), [](void* memory) { ::operator delete(memory); }};
  }
  std::unique_ptr<Graph> Record(const std::function<void()>&) override {
    return std::make_unique<Graph>();
  }
  void CopyOut(const at::Tensor&, float*) override {}
  void Run(const std::vector<cuda::Gather>& gathers, Graph&) override {
    benchmark::DoNotOptimize(gathers.data());
  }
  int64_t MemoryTaken() override { return 0; }
};

void HostWork(benchmark::State& state) {
  IdleDevice device;
  const Checkpoint checkpoint("vit_tiny_patch16_224");
  const auto images = static_cast<int>(state.range(0));
  const auto engine =
      Engine::Load(checkpoint.folder(), {.device = "cpu", .graphs = &device, .max_batch = images});
  if (!engine.ok()) {
    state.SkipWithError(engine.status().ToString().c_str());
    return;
  }
  const std::vector<uint8_t> image((*engine)->description().preprocessing.bytes());
  const std::vector<ModelInput> batch(images, image.data());
  for (auto _ : state) {
    benchmark::DoNotOptimize((*engine)->Forward(batch, /*bucket=*/images, false).value());
  }
}
BENCHMARK(HostWork)->Arg(1)->Arg(128)->Arg(256)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace patchserve
