// How long decoding and resampling take on one thread.
//   ninja image_bench && bin/image_bench
#include <benchmark/benchmark.h>

#include <opencv2/imgcodecs.hpp>
#include <vector>

#include "server/image/decode.h"
#include "server/image/header.h"
#include "server/image/preprocess.h"
#include "server/image/resample.h"

namespace patchserve {
namespace {

// Something like a photo: smooth, with a little noise.
Image Picture(int width, int height) {
  Image image = Image::Uninitialized(width, height);
  uint32_t noise = 1;
  for (size_t i = 0; i < image.size(); ++i) {
    noise = noise * 1664525 + 1013904223;
    const size_t x = i / 3 % width, y = i / 3 / width;
    image.pixels[i] = static_cast<uint8_t>(x * 120 / width + y * 120 / height + (noise >> 28));
  }
  return image;
}

std::vector<uint8_t> Encoded(const char* extension, int width, int height) {
  const Image image = Picture(width, height);
  std::vector<uint8_t> file;
  cv::imencode(extension, cv::Mat(height, width, CV_8UC3, image.pixels.get()), file);
  return file;
}

void DecodeFile(benchmark::State& state, const char* extension) {
  const auto file = Encoded(extension, state.range(0), state.range(1));
  const ImageInfo info = ReadHeader(file, {}).value();
  for (auto _ : state) benchmark::DoNotOptimize(Decode(file, info).value().pixels.get());
  state.SetBytesProcessed(state.iterations() * file.size());
}
BENCHMARK_CAPTURE(DecodeFile, jpeg, ".jpg")
    ->Args({500, 375})
    ->Args({1920, 1080})
    ->Args({4000, 3000})
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(DecodeFile, png, ".png")
    ->Args({500, 375})
    ->Args({1920, 1080})
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(DecodeFile, webp, ".webp")
    ->Args({500, 375})
    ->Args({1920, 1080})
    ->Unit(benchmark::kMillisecond);

void ReadHeaderOf(benchmark::State& state, const char* extension) {
  const auto file = Encoded(extension, 1920, 1080);
  for (auto _ : state) benchmark::DoNotOptimize(ReadHeader(file, {}).value());
}
BENCHMARK_CAPTURE(ReadHeaderOf, jpeg, ".jpg");
BENCHMARK_CAPTURE(ReadHeaderOf, png, ".png");

void ResampleFullHd(benchmark::State& state, Interpolation interpolation) {
  const Image image = Picture(1920, 1080);
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        Resample(image, 455, 256, interpolation, {0, 0, 455, 256}).pixels.get());
  }
}
BENCHMARK_CAPTURE(ResampleFullHd, bicubic, Interpolation::kBicubic)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(ResampleFullHd, bilinear, Interpolation::kBilinear)
    ->Unit(benchmark::kMillisecond);

void PreprocessPicture(benchmark::State& state) {
  const Image image = Picture(state.range(0), state.range(1));
  const Preprocessing how;
  std::vector<uint8_t> out(how.bytes());
  for (auto _ : state) Preprocess(image, how, absl::MakeSpan(out));
}
BENCHMARK(PreprocessPicture)
    ->Args({500, 375})
    ->Args({1920, 1080})
    ->Args({4000, 3000})
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace patchserve

BENCHMARK_MAIN();
