#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/randn.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <cmath>
#include <cstdio>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "server/model/fused_kernels.h"
#include "tests/gpu/kernel_check.h"

namespace patchserve::cuda {
namespace {

// What may be read or written by mistake behind a matrix.
constexpr int64_t kRowsBehind = 8;

// All that can follow a product in one of `kernels`.
std::vector<GemmShape> Epilogues(const Kernels& kernels) {
  std::vector<GemmShape> epilogues = {{.then = GemmThen::kNothing}, {.then = GemmThen::kResidual}};
  for (const GemmThen then : {GemmThen::kActivation, GemmThen::kActivationNorm}) {
    for (const auto& [name, activation] : kActivations) epilogues.push_back({then, activation});
  }
  std::erase_if(epilogues, [&](GemmShape shape) {
    shape.m = 1;
    shape.n = shape.k = 8;
    return kernels.gemm_tiles(shape) == 0;
  });
  return epilogues;
}

std::string Describe(const GemmShape& s, int tile) {
  return absl::StrFormat("GEMM %dx%dx%d, then %d, activation %d, tile %d", s.m, s.n, s.k,
                         static_cast<int>(s.then), static_cast<int>(s.activation), tile);
}

// A layer of random numbers on the device, and both ways to compute it. Behind a are numbers that
// are none.
class Layer {
 public:
  Layer(const Checked& checked, const GemmShape& shape, bool with_bias)
      : checked_(checked),
        shape_(shape),
        a_(Bits16(at::randn({shape.m + kRowsBehind, shape.k}, Float32()))),
        b_(Bits16(at::randn({shape.n, shape.k}, Float32()) / std::sqrt(double(shape.k)))) {
    a_.narrow(0, shape.m, kRowsBehind).fill_(NAN);
    if (with_bias) bias_ = at::randn({shape.n}, Float32());
    if (shape.then == GemmThen::kResidual) {
      residual_ = Bits16(at::randn({shape.m, shape.n}, Float32()));
    }
    if (shape.then == GemmThen::kActivationNorm) {
      norm_ = {at::randn({shape.n}, Float32()), at::randn({shape.n}, Float32())};
    }
  }

  // [m + kRowsBehind, n], of which the last rows hold 7.
  at::Tensor Result() const {
    at::Tensor d = at::full({shape_.m + kRowsBehind, shape_.n}, 7, b_.options());
    d.narrow(0, 0, shape_.m).fill_(NAN);
    return d;
  }

  int Run(const at::Tensor& d, int tile) const { return Run(a_, residual_, d, tile); }
  // The residual lies where the result goes.
  int RunInPlace(const at::Tensor& d, int tile) const {
    d.narrow(0, 0, shape_.m).copy_(residual_);
    return Run(a_, d, d, tile);
  }
  int Run(const at::Tensor& a, const at::Tensor& residual, const at::Tensor& d, int tile) const {
    const auto floats = [](const at::Tensor& numbers) {
      return numbers.defined() ? numbers.const_data_ptr<float>() : nullptr;
    };
    return checked_.kernels.run_gemm(
        {.shape = shape_,
         .a = a.const_data_ptr(),
         .b = b_.const_data_ptr(),
         .residual = residual.defined() ? residual.const_data_ptr() : nullptr,
         .d = d.mutable_data_ptr(),
         .bias = floats(bias_),
         .scale = floats(norm_.scale),
         .shift = floats(norm_.shift)},
        tile, StreamOf(checked_.device));
  }

  // In float64.
  at::Tensor Exact() const { return InSteps(As(at::kDouble)); }
  void RunInSteps() const { InSteps(As(at::kBFloat16)); }

  const at::Tensor& a() const { return a_; }

 private:
  at::TensorOptions Float32() const { return at::TensorOptions(checked_.device).dtype(at::kFloat); }
  static at::Tensor Bits16(const at::Tensor& x) { return x.to(at::kBFloat16); }

  FusedLinear As(at::ScalarType type) const {
    const auto as = [&](const at::Tensor& x) { return x.defined() ? x.to(type) : x; };
    return {.then = shape_.then,
            .activation = shape_.activation,
            .x = as(a_.narrow(0, 0, shape_.m)),
            .weight = as(b_),
            .residual = as(residual_),
            .bias = as(bias_),
            .norm = {as(norm_.scale), as(norm_.shift)}};
  }

  const Checked& checked_;
  const GemmShape shape_;
  at::Tensor a_, b_, residual_, bias_;
  BatchNorm norm_;
};

// Each number is the one of float64, but for its own rounding and for sums in float32.
void Check(const Checked& checked, const GemmShape& shape, bool with_bias, Tally& tally) {
  const Layer layer(checked, shape, with_bias);
  const at::Tensor exact = layer.Exact();
  for (int tile = 0; tile < checked.kernels.gemm_tiles(shape); ++tile) {
    const bool in_place = shape.then == GemmThen::kResidual && tile % 2 == 1;
    const std::string what = Describe(shape, tile) + (in_place ? ", in place" : "");
    const at::Tensor d = layer.Result();
    if (!tally.Started(what, in_place ? layer.RunInPlace(d, tile) : layer.Run(d, tile))) continue;
    tally.Compare(what, d.narrow(0, 0, shape.m), exact, /*rounding=*/0x1p-8, /*sums=*/5e-4);
    const at::Tensor behind = d.narrow(0, shape.m, kRowsBehind);
    tally.Expect(what, at::equal(behind, at::full_like(behind, 7)), "writes beyond its rows");
  }
}

// A kernel may begin while the one before it on the stream still runs: with the result of that one
// as its input, it must give what it gives when it begins alone.
void CheckChain(const Checked& checked, int64_t rows, int64_t side, Tally& tally) {
  constexpr int kLayers = 12;
  const GemmShape shape = {GemmThen::kResidual, {}, rows, side, side};
  const Layer layer(checked, shape, /*with_bias=*/true);
  const auto run = [&](int tile, bool alone) {
    // The residual of each is the input of the one before.
    at::Tensor x[2] = {layer.a().narrow(0, 0, rows).clone(),
                       at::empty({rows, side}, layer.a().options())};
    x[1].fill_(0);
    for (int i = 0; i < kLayers; ++i) {
      tally.Started(Describe(shape, tile),
                    layer.Run(x[i % 2], x[(i + 1) % 2], x[(i + 1) % 2], tile));
      if (alone && !checked.device.is_cpu()) {
        c10::impl::VirtualGuardImpl(checked.device.type())
            .synchronizeDevice(checked.device.index());
      }
    }
    return x[0];
  };
  for (int tile = 0; tile < checked.kernels.gemm_tiles(shape); ++tile) {
    tally.Expect(Describe(shape, tile) + ", in a chain",
                 at::equal(run(tile, false), run(tile, true)),
                 "differs from kernels that run alone");
  }
}

std::vector<GemmShape> Sizes() {
  std::vector<GemmShape> sizes;
  // Below, at and beyond the tiles' sides; whole and broken tiles in each direction.
  for (int64_t m : {1, 7, 64, 65, 129, 197, 255, 1000, 1576}) {
    for (const auto& [n, k] : {std::pair(8, 8), {72, 40}, {192, 192}, {200, 1000}, {768, 768}}) {
      sizes.push_back({.m = m, .n = n, .k = k});
    }
  }
  // Those of networks: ViT-B, a classifier, ConvMixer.
  for (int64_t m : {197, 6304, 12609}) {
    for (const auto& [n, k] :
         {std::pair(2304, 768), {3072, 768}, {768, 3072}, {1000, 768}, {1536, 1536}}) {
      sizes.push_back({.m = m, .n = n, .k = k});
    }
  }
  return sizes;
}

}  // namespace

int CheckGemms(const Checked& checked) {
  const GemmShape any = {.m = 1, .n = 8, .k = 8};
  const std::string tiles = absl::StrFormat(", \"tiles\": %d", checked.kernels.gemm_tiles(any));
  Tally tally(checked.kernels);
  const std::vector<GemmShape> epilogues = Epilogues(checked.kernels);
  std::vector<GemmShape> sizes = Sizes();
  if (checked.few) sizes = {{.m = 129, .n = 200, .k = 72}};
  for (GemmShape shape : sizes) {
    bool with_bias = true;
    for (const GemmShape& epilogue : epilogues) {
      shape.then = epilogue.then;
      shape.activation = epilogue.activation;
      Check(checked, shape, with_bias, tally);
      with_bias = !with_bias;
    }
  }
  CheckChain(checked, checked.few ? 65 : 1000, checked.few ? 64 : 768, tally);
  return tally.Print("gemm", tiles);
}

void TimeGemms(const Checked& checked) {
  constexpr int kLaunches = 20;
  struct Operation {
    const char* name;
    GemmShape image;  // of one
  };
  for (const Operation& operation :
       {Operation{"ViT-B qkv", {GemmThen::kNothing, {}, 197, 2304, 768}},
        Operation{"ViT-B fc1", {GemmThen::kActivation, Activation::kGelu, 197, 3072, 768}},
        Operation{"ViT-B proj", {GemmThen::kResidual, {}, 197, 768, 768}},
        Operation{"ViT-B fc2", {GemmThen::kResidual, {}, 197, 768, 3072}},
        Operation{"768/32", {GemmThen::kActivationNorm, Activation::kRelu, 1024, 768, 768}},
        Operation{"1024/20", {GemmThen::kActivationNorm, Activation::kGelu, 256, 1024, 1024}},
        Operation{"1536/20", {GemmThen::kActivationNorm, Activation::kGelu, 1024, 1536, 1536}}}) {
    for (int64_t images : {1, 8, 32, 128}) {
      GemmShape shape = operation.image;
      shape.m *= images;
      const Layer layer(checked, shape, /*with_bias=*/true);
      const at::Tensor d = layer.Result();
      std::vector<std::string> times;
      double least = 0;
      for (int tile = 0; tile < checked.kernels.gemm_tiles(shape); ++tile) {
        layer.Run(d, tile);
        const double us = Microseconds(checked.device, kLaunches, [&](int) { layer.Run(d, tile); });
        times.push_back(absl::StrFormat("%.1f", us));
        if (least == 0 || us < least) least = us;
      }
      if (times.empty()) return;
      layer.RunInSteps();
      const double steps =
          Microseconds(checked.device, kLaunches, [&](int) { layer.RunInSteps(); });
      std::printf(
          "{\"kernel\": \"gemm\", \"shape\": \"%s\", \"images\": %d, \"us\": %.1f, "
          "\"us_by_tile\": [%s], \"steps_us\": %.1f, \"tflop_s\": %.0f}\n",
          operation.name, static_cast<int>(images), least, absl::StrJoin(times, ", ").c_str(),
          steps, 2e-6 * shape.m * shape.n * shape.k / least);
    }
  }
}

}  // namespace patchserve::cuda
