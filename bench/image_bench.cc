// How long a photo takes on one thread before it is a model's input.
//
//   build/bin/image_bench --benchmark_filter=Decode
#include <benchmark/benchmark.h>

#include <opencv2/imgcodecs.hpp>
#include <vector>

#include "bench/picture.h"
#include "server/image/decode.h"
#include "server/image/header.h"
#include "server/image/preprocess.h"

namespace patchserve {
namespace {

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
    ->Args({1024, 768})
    ->Args({1920, 1080})
    ->Args({2592, 1944})
    ->Args({4000, 3000})
    ->Unit(benchmark::kMillisecond);
// A photo of 12 megapixels to a model's input, with `decode: FAST` and without.
void PhotoToInput(benchmark::State& state, bool fast) {
  const auto file = Encoded(".jpg", 4000, 3000);
  const Preprocessing how = {.fast_decode = fast};
  ImageInfo info = ReadHeader(file, {}).value();
  info.shrink = JpegShrink(info, how);
  std::vector<uint8_t> out(how.bytes());
  for (auto _ : state) Preprocess(Decode(file, info).value(), how, absl::MakeSpan(out));
}
BENCHMARK_CAPTURE(PhotoToInput, exact, false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(PhotoToInput, fast, true)->Unit(benchmark::kMillisecond);

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
