// Images a second of the engine, one intra-op thread, random weights.
//
//   build/bin/model_bench --benchmark_filter=vit_tiny
#include <benchmark/benchmark.h>

#include <filesystem>
#include <string>
#include <vector>

#include "server/model/engine.h"
#include "tests/model/pixels.h"
#include "tests/model/random_checkpoint.h"

namespace patchserve {
namespace {

void Forward(benchmark::State& state, const std::string& architecture, Precision precision) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("patchserve_bench_" + architecture);
  const auto written =
      WriteRandomCheckpoint(folder, NamedCheckpoint(architecture).value(), /*seed=*/1);
  const auto engine = Engine::Load(folder, {.device = "cpu", .precision = precision});
  std::filesystem::remove_all(folder);
  if (!written.ok() || !engine.ok()) {
    state.SkipWithError(engine.status().ToString().c_str());
    return;
  }

  PrepareRunnerThread(1);
  const size_t bytes = (*engine)->description().preprocessing.bytes();
  const std::vector<uint8_t> image = Pixels(0, bytes);
  const std::vector<const uint8_t*> batch(state.range(0), image.data());
  for (auto _ : state) {
    benchmark::DoNotOptimize((*engine)->Forward(batch, /*embeddings=*/false).value());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void Register(const char* architecture) {
  for (const auto& [precision, name] :
       {std::pair(Precision::kFloat32, "float32"), std::pair(Precision::kBFloat16, "bfloat16")}) {
    benchmark::RegisterBenchmark((std::string(architecture) + "/" + name).c_str(), Forward,
                                 std::string(architecture), precision)
        ->Arg(1)
        ->Arg(8)
        ->Unit(benchmark::kMillisecond);
  }
}

}  // namespace
}  // namespace patchserve

int main(int argc, char** argv) {
  for (const char* architecture : {"vit_small_patch8_32", "convmixer_small", "vit_tiny_patch16_224",
                                   "vit_base_patch16_224", "convmixer_768_32"}) {
    patchserve::Register(architecture);
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
