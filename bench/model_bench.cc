// How long a network takes on one thread (or --threads), and its input's normalisation. Argument:
// images in the batch.
//
//   build/bin/model_bench --benchmark_filter=Forward/vit_tiny
//   build/bin/model_bench --by_layer=vit_tiny_patch16_224
#include <ATen/ops/zeros.h>
#include <benchmark/benchmark.h>
#include <c10/core/InferenceMode.h>

#include <cstdio>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/strings/str_join.h"
#include "bench/by_layer.h"
#include "bench/checkpoint.h"
#include "server/base/free_memory.h"
#include "server/model/engine.h"
#include "server/model/normalization.h"
#include "tests/model/pixels.h"

ABSL_FLAG(
    std::string, model, "",
    "A checkpoint folder, or an architecture as random_checkpoint.h names them, to be measured "
    "instead of the usual models.");
ABSL_FLAG(bool, logits_of_zeros, false, "Print what --model gives for an image of zeros, no more.");
ABSL_FLAG(std::string, by_layer, "",
          "Print what the layers of this architecture take and reach (by_layer.h), no more.");
ABSL_FLAG(int, threads, 1, "That run a network; set OMP_WAIT_POLICY=PASSIVE GOMP_SPINCOUNT=1000.");

namespace patchserve {
namespace {

void Normalize(benchmark::State& state, at::ScalarType precision) {
  PrepareRunnerThread(1);
  const c10::InferenceMode no_autograd;
  const Normalization normalize(Preprocessing(), precision);
  const at::Tensor batch = at::zeros({state.range(0), 224, 224, 3}, at::kByte);
  for (auto _ : state) benchmark::DoNotOptimize(normalize(batch).const_data_ptr());
}
BENCHMARK_CAPTURE(Normalize, float32, at::kFloat)->Arg(1)->Arg(8)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Normalize, bfloat16, at::kBFloat16)
    ->Arg(1)
    ->Arg(8)
    ->Unit(benchmark::kMillisecond);

// Loads it, unless it is the one that was asked for last: Google Benchmark calls the
// same function many times.
const absl::StatusOr<std::unique_ptr<Engine>>& EngineOf(const std::string& model,
                                                        Precision precision) {
  static std::pair<std::string, Precision> last;
  static absl::StatusOr<std::unique_ptr<Engine>> engine = absl::UnavailableError("none yet");
  if (std::pair(model, precision) != last) {
    const Checkpoint checkpoint(model);
    engine = Engine::Load(checkpoint.folder(), {.device = "cpu", .precision = precision});
    last = {model, precision};
  }
  return engine;
}

void Forward(benchmark::State& state, const std::string& model, Precision precision) {
  const auto& engine = EngineOf(model, precision);
  if (!engine.ok()) {
    state.SkipWithError(engine.status().ToString().c_str());
    return;
  }
  PrepareRunnerThread(absl::GetFlag(FLAGS_threads));
  const size_t bytes = (*engine)->description().preprocessing.bytes();
  const std::vector<uint8_t> image = Pixels(0, bytes);
  const std::vector<ModelInput> batch(state.range(0), image.data());
  const bool embeddings = (*engine)->description().classes.empty();  // else a classifier's logits
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        (*engine)->Forward(batch, /*bucket=*/static_cast<int>(batch.size()), embeddings).value());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void RegisterForward(const std::string& model, const std::vector<int64_t>& batches) {
  const std::string name = std::filesystem::path(model).filename();
  for (const auto& [precision, suffix] :
       {std::pair(Precision::kFloat32, "float32"), std::pair(Precision::kBFloat16, "bfloat16")}) {
    auto* benchmark = benchmark::RegisterBenchmark(("Forward/" + name + "/" + suffix).c_str(),
                                                   Forward, model, precision);
    benchmark->Unit(benchmark::kMillisecond);
    for (int64_t batch : batches) benchmark->Arg(batch);
  }
}

// What a normalised image of zeros gives, as a JSON array: another program can tell by it
// whether it runs the same network.
void PrintLogitsOfZeros(const std::string& model) {
  PrepareRunnerThread(1);
  const auto engine = EngineOf(model, Precision::kFloat32).value().get();
  const std::vector<float> image(engine->description().preprocessing.bytes());
  const BatchOutput output = engine->Forward({image.data()}, /*bucket=*/1, false).value();
  std::printf("[%s]\n", absl::StrJoin(output.logits, ", ").c_str());
}

}  // namespace
}  // namespace patchserve

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  absl::ParseCommandLine(argc, argv);
  patchserve::SetUpMalloc(INT64_MAX);  // as the server does
  const std::string model = absl::GetFlag(FLAGS_model);
  if (absl::GetFlag(FLAGS_logits_of_zeros)) {
    patchserve::PrintLogitsOfZeros(model);
    return 0;
  }
  if (const std::string name = absl::GetFlag(FLAGS_by_layer); !name.empty()) {
    for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
      patchserve::PrintByLayer(patchserve::NamedCheckpoint(name).value(), type);
    }
    return 0;
  }
  if (!model.empty()) {
    patchserve::RegisterForward(model, {1, 2, 4, 8});
  } else {
    patchserve::RegisterForward(PATCHSERVE_MODELS "/convmixer_cifar10", {1, 2, 4, 8});
    patchserve::RegisterForward(PATCHSERVE_MODELS "/vit_cifar10", {1, 2, 4, 8});
    patchserve::RegisterForward("vit_tiny_patch16_224", {1, 2, 4, 8});
    patchserve::RegisterForward("vit_base_patch16_224", {1, 4});
    patchserve::RegisterForward("convmixer_768_32", {1, 4});
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
