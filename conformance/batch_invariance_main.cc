// How much an image's answer depends on what it is batched with: each image alone and
// in batches of every size that the server warms, random weights; and alone on more threads than
// one. A JSON object a line.
//
//   build/bin/batch_invariance vit_tiny_patch16_224 convmixer_768_32
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "server/model/engine.h"
#include "tests/model/pixels.h"
#include "tests/model/random_checkpoint.h"

namespace patchserve {
namespace {

constexpr int kImages = 8;

struct Photos {
  explicit Photos(size_t bytes) {
    for (int i = 0; i < kImages; ++i) pixels.push_back(Pixels(i, bytes));
    for (const auto& image : pixels) images.push_back(image.data());
  }
  std::vector<std::vector<uint8_t>> pixels;
  std::vector<ModelInput> images;
};

// The logits, then the embeddings of all images, batched `size` at a time.
std::vector<float> Answers(const Engine& engine, const Photos& photos, int size) {
  std::vector<float> values, embeddings;
  for (int first = 0; first < kImages; first += size) {
    const auto batch = absl::Span<const ModelInput>(photos.images).subspan(first, size);
    const BatchOutput output = engine.Forward(batch, size, /*embeddings=*/true).value();
    values.insert(values.end(), output.logits.begin(), output.logits.end());
    embeddings.insert(embeddings.end(), output.embeddings.begin(), output.embeddings.end());
  }
  values.insert(values.end(), embeddings.begin(), embeddings.end());
  return values;
}

float LargestDifference(const std::vector<float>& a, const std::vector<float>& b) {
  float largest = 0;
  for (size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

float Largest(const std::vector<float>& values) {
  return LargestDifference(values, std::vector<float>(values.size()));
}

double ImagesASecond(const Engine& engine, const Photos& photos) {
  const auto start = std::chrono::steady_clock::now();
  std::chrono::duration<double> spent{};
  int images = 0;
  for (; spent.count() < 3; images += kImages) {
    engine.Forward(photos.images, kImages, /*embeddings=*/false).IgnoreError();
    spent = std::chrono::steady_clock::now() - start;
  }
  return images / spent.count();
}

void Measure(const std::string& architecture, Precision precision, const char* name) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("patchserve_invariance_" + architecture);
  WriteRandomCheckpoint(folder, NamedCheckpoint(architecture).value(), /*seed=*/1).IgnoreError();
  EngineOptions options{.device = "cpu", .precision = precision};
  const auto engine = Engine::Load(folder, options).value();
  options.deterministic = true;
  const auto deterministic = Engine::Load(folder, options).value();
  std::filesystem::remove_all(folder);

  const Photos photos(engine->description().preprocessing.bytes());
  const std::vector<float> alone = Answers(*engine, photos, 1);
  const std::vector<float> same = Answers(*deterministic, photos, 1);
  std::printf("{\"model\": \"%s\", \"precision\": \"%s\"", architecture.c_str(), name);
  for (int size = 2; size <= kImages; size *= 2) {
    std::printf(", \"batch_%d\": %.3g, \"deterministic_%d\": %.3g", size,
                LargestDifference(Answers(*engine, photos, size), alone) / Largest(alone), size,
                LargestDifference(Answers(*deterministic, photos, size), same));
  }
  for (const int threads : {2, 8}) {
    UseIntraOpThreads(threads);
    std::printf(", \"threads_%d\": %.3g", threads,
                LargestDifference(Answers(*engine, photos, 1), alone) / Largest(alone));
    UseIntraOpThreads(1);
  }
  std::printf(", \"images_a_second\": %.1f, \"deterministic_images_a_second\": %.1f}\n",
              ImagesASecond(*engine, photos), ImagesASecond(*deterministic, photos));
  std::fflush(stdout);
}

}  // namespace
}  // namespace patchserve

int main(int argc, char** argv) {
  patchserve::PrepareRunnerThread(1);
  for (int i = 1; i < argc; ++i) {
    patchserve::Measure(argv[i], patchserve::Precision::kFloat32, "float32");
    patchserve::Measure(argv[i], patchserve::Precision::kBFloat16, "bfloat16");
  }
}
