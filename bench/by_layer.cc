#include "bench/by_layer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "server/model/engine.h"
#include "server/model/kernels/attention.h"
#include "server/model/kernels/depthwise.h"
#include "server/model/kernels/norm.h"
#include "server/model/linear.h"

namespace patchserve {
namespace {

struct Step {
  std::string kind;
  double flops = 0;  // multiplications and additions of its products
  std::function<at::Tensor()> run;
};

double SecondsOf(const Step& step) {
  const auto start = std::chrono::steady_clock::now();
  step.run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

enum class Then { kNothing, kActivation, kResidual };

// [rows, in] -> [rows, out]
Step LinearStep(const std::string& kind, at::ScalarType type, int64_t rows, int64_t in, int64_t out,
                Then then, Activation activation = Activation::kGelu) {
  const Linear linear(type, at::randn({out, in}) / std::sqrt(static_cast<double>(in)),
                      at::randn({out}));
  const at::Tensor x = at::randn({1, rows, in}).to(type);
  const at::Tensor residual = then == Then::kResidual ? at::randn({1, rows, out}).to(type) : x;
  const auto run = [=] {
    if (then == Then::kActivation) return linear.Activated(activation, x);
    return then == Then::kResidual ? linear.PlusResidual(x, residual) : linear(x);
  };
  return {kind, 2.0 * static_cast<double>(rows * in * out), run};
}

Step NormStep(at::ScalarType type, int64_t rows, int64_t dim) {
  const at::Tensor x = at::randn({1, rows, dim}).to(type);
  const at::Tensor weight = at::ones({dim}, type), bias = at::zeros({dim}, type);
  return {"norms", 0, [=] { return NormalizeRows(x, weight, bias, 1e-6); }};
}

Step AttentionStep(at::ScalarType type, int64_t tokens, int64_t dim, int64_t heads,
                   int64_t queries) {
  const at::Tensor qkv =
      at::randn({1, tokens, 3, heads, dim / heads}).to(type).permute({2, 0, 3, 1, 4});
  return {"attention", 4.0 * static_cast<double>(queries * tokens * dim),
          [=] { return Attention(qkv[0].narrow(/*dim=*/2, 0, queries), qkv[1], qkv[2]); }};
}

Step DepthwiseStep(at::ScalarType type, int64_t side, int64_t dim, int64_t kernel,
                   Activation activation) {
  const at::Tensor weight = at::randn({dim, kernel, kernel}) / static_cast<double>(kernel);
  const at::Tensor one = at::ones({dim});
  const auto depthwise = std::make_shared<DepthwiseKernel>(
      DepthwiseKernel::Parameters{.channels = dim,
                                  .kernel = kernel,
                                  .weight = weight.const_data_ptr<float>(),
                                  .bias = one.const_data_ptr<float>(),
                                  .in_scale = one.const_data_ptr<float>(),
                                  .in_shift = one.const_data_ptr<float>(),
                                  .out_scale = one.const_data_ptr<float>()});
  const at::Tensor x = at::randn({1, side, side, dim}).to(type);
  const auto run = [=] {
    at::Tensor y = at::empty_like(x);
    const auto compute = [&](const auto* in, auto* out) {
      depthwise->Run(activation, in, out, 1, side, side);
    };
    if (type == at::kFloat) {
      compute(x.const_data_ptr<float>(), y.mutable_data_ptr<float>());
    } else {
      compute(static_cast<const uint16_t*>(x.const_data_ptr()),
              static_cast<uint16_t*>(y.mutable_data_ptr()));
    }
    return y;
  };
  return {"depthwise", 2.0 * static_cast<double>(side * side * dim * kernel * kernel), run};
}

// As vit.cc: of the last block the class token alone is computed.
std::vector<Step> ViTSteps(const RandomCheckpoint& spec, at::ScalarType type) {
  const int64_t dim = spec.dim, patch = spec.patch_size;
  const int64_t patches = (spec.image_size / patch) * (spec.image_size / patch);
  const int64_t tokens = patches + 1;
  std::vector<Step> steps = {
      LinearStep("patch", type, patches, patch * patch * 3, dim, Then::kNothing)};
  for (int block = 0; block < spec.depth; ++block) {
    const int64_t rows = block + 1 < spec.depth ? tokens : 1;
    steps.push_back(NormStep(type, tokens, dim));
    steps.push_back(LinearStep("qkv", type, tokens, dim, 3 * dim, Then::kNothing));
    steps.push_back(AttentionStep(type, tokens, dim, spec.num_heads, rows));
    steps.push_back(LinearStep("proj", type, rows, dim, dim, Then::kResidual));
    steps.push_back(NormStep(type, rows, dim));
    steps.push_back(LinearStep("fc1", type, rows, dim, 4 * dim, Then::kActivation));
    steps.push_back(LinearStep("fc2", type, rows, 4 * dim, dim, Then::kResidual));
  }
  return steps;
}

std::vector<Step> ConvMixerSteps(const RandomCheckpoint& spec, at::ScalarType type) {
  const int64_t dim = spec.dim, patch = spec.patch_size, side = spec.image_size / patch;
  const int64_t pixels = side * side;
  const Activation activation =
      spec.architecture == "convmixer_768_32" ? Activation::kRelu : Activation::kGelu;
  std::vector<Step> steps = {
      LinearStep("patch", type, pixels, patch * patch * 3, dim, Then::kActivation, activation)};
  for (int layer = 0; layer < spec.depth; ++layer) {
    steps.push_back(DepthwiseStep(type, side, dim, spec.kernel_size, activation));
    steps.push_back(LinearStep("pointwise", type, pixels, dim, dim, Then::kActivation, activation));
  }
  return steps;
}

}  // namespace

void PrintByLayer(const RandomCheckpoint& spec, at::ScalarType type) {
  constexpr int kRounds = 15;
  PrepareRunnerThread(1);
  const c10::InferenceMode no_autograd;
  std::vector<Step> steps = spec.num_heads > 0 ? ViTSteps(spec, type) : ConvMixerSteps(spec, type);
  // In the same rounds, so that what else the machine does meets all.
  steps.push_back(LinearStep("peak", type, 1024, 2048, 2048, Then::kNothing));
  std::vector<double> least(steps.size(), std::numeric_limits<double>::infinity());
  for (int round = 0; round < kRounds; ++round) {
    for (size_t i = 0; i < steps.size(); ++i) least[i] = std::min(least[i], SecondsOf(steps[i]));
  }
  const double peak = steps.back().flops / least.back();
  double all = 0;
  for (size_t i = 0; i + 1 < steps.size(); ++i) all += least[i];
  std::printf("%s, %s: %.2f ms in layers; peak %.0f GFLOP/s\n", spec.architecture.c_str(),
              type == at::kFloat ? "float32" : "bfloat16", all * 1e3, peak / 1e9);
  for (const char* kind :
       {"patch", "qkv", "attention", "proj", "fc1", "fc2", "depthwise", "pointwise", "norms"}) {
    double seconds = 0, flops = 0;
    for (size_t i = 0; i < steps.size(); ++i) {
      if (steps[i].kind == kind) seconds += least[i], flops += steps[i].flops;
    }
    if (seconds == 0) continue;
    std::printf("  %-9s %6.2f ms %3.0f %% of the time, %4.0f GFLOP/s, %3.0f %% of the peak\n", kind,
                seconds * 1e3, 100 * seconds / all, flops / seconds / 1e9,
                100 * flops / seconds / peak);
  }
}

}  // namespace patchserve
