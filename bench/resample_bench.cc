// Resampling a whole picture on one thread, by patchserve and by PyTorch;
// bench/resample_ratios.py adds Pillow. Arguments: from width x height, to
// width x height.
//
// PyTorch is measured at its best: uint8, channels last, which the antialiased kernel
// has its own vector code for. Its result isn't Pillow's to the byte.
#include <ATen/ops/_upsample_bicubic2d_aa.h>
#include <ATen/ops/_upsample_bilinear2d_aa.h>
#include <ATen/ops/from_blob.h>
#include <benchmark/benchmark.h>
#include <c10/core/InferenceMode.h>

#include "bench/picture.h"
#include "server/image/resample.h"
#include "server/model/engine.h"

namespace patchserve {
namespace {

void ResampleOurs(benchmark::State& state, Interpolation interpolation) {
  const Image image = Picture(state.range(0), state.range(1));
  const int width = state.range(2), height = state.range(3);
  for (auto _ : state) {
    const Image out = Resample(image, width, height, interpolation, {0, 0, width, height});
    benchmark::DoNotOptimize(out.pixels.get());
  }
}

void ResampleAten(benchmark::State& state, Interpolation interpolation) {
  PrepareRunnerThread(1);
  const c10::InferenceMode no_autograd;
  const Image image = Picture(state.range(0), state.range(1));
  const at::Tensor picture =
      at::from_blob(image.pixels.get(), {1, state.range(1), state.range(0), 3}, at::kByte)
          .permute({0, 3, 1, 2});
  const std::vector<int64_t> size = {state.range(3), state.range(2)};
  for (auto _ : state) {
    const at::Tensor out = interpolation == Interpolation::kBicubic
                               ? at::_upsample_bicubic2d_aa(picture, size, false)
                               : at::_upsample_bilinear2d_aa(picture, size, false);
    benchmark::DoNotOptimize(out.const_data_ptr<uint8_t>());
  }
}

void Sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->Args({500, 375, 341, 256})
      ->Args({1920, 1080, 455, 256})
      ->Args({4000, 3000, 341, 256})
      ->Unit(benchmark::kMillisecond);
}
BENCHMARK_CAPTURE(ResampleOurs, bicubic, Interpolation::kBicubic)->Apply(Sizes);
BENCHMARK_CAPTURE(ResampleAten, bicubic, Interpolation::kBicubic)->Apply(Sizes);
BENCHMARK_CAPTURE(ResampleOurs, bilinear, Interpolation::kBilinear)->Apply(Sizes);
BENCHMARK_CAPTURE(ResampleAten, bilinear, Interpolation::kBilinear)->Apply(Sizes);

}  // namespace
}  // namespace patchserve
