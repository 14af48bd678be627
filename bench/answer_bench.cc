// From a model's logits to the bytes of the answer: softmax and ranking, the message,
// and protobuf's serialisation. Argument: classes; the five best are sent.
#include <benchmark/benchmark.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "server/rpc/messages.h"

namespace patchserve {
namespace {

constexpr int kTopK = 5;

std::shared_ptr<ServedModel> ModelOf(int classes) {
  auto model = std::make_shared<ServedModel>();
  model->name = "vit_tiny_patch16_224";
  model->description.version = "0123456789ab";
  for (int i = 0; i < classes; ++i) {
    model->description.classes.push_back({absl::StrCat("n", 1440764 + i), "tabby, tabby cat"});
  }
  return model;
}

BatchOutput LogitsOf(int classes) {
  BatchOutput output;
  uint32_t random = 1;
  for (int i = 0; i < classes; ++i) {
    random = random * 1664525 + 1013904223;
    output.logits.push_back(static_cast<float>(random >> 8) / (1 << 22));
  }
  return output;
}

void RankLogits(benchmark::State& state) {
  const auto model = ModelOf(state.range(0));
  const BatchOutput output = LogitsOf(state.range(0));
  for (auto _ : state) {
    benchmark::DoNotOptimize(MakeAnswer(*model, output, 0, {.top_k = kTopK}).value());
  }
}
BENCHMARK(RankLogits)->Arg(10)->Arg(1000);

void BuildResponse(benchmark::State& state) {
  const auto model = ModelOf(state.range(0));
  const BatchOutput output = LogitsOf(state.range(0));
  const v1::ClassifyRequest request;
  for (auto _ : state) {
    Answer answer = MakeAnswer(*model, output, 0, {.top_k = kTopK}).value();
    answer.model = model;
    v1::ClassifyResponse response;
    WriteResponse(answer, request, response);
    benchmark::DoNotOptimize(response.SerializeAsString());
  }
}
BENCHMARK(BuildResponse)->Arg(10)->Arg(1000);

}  // namespace
}  // namespace patchserve

BENCHMARK_MAIN();
