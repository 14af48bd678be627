#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/rms_norm.h>

#include <cmath>
#include <cstdio>
#include <vector>

#include "absl/strings/str_format.h"
#include "tests/gpu/kernel_check.h"

namespace patchserve::cuda {
namespace {

constexpr double kEpsilon = 1e-6;
// What may be written by mistake behind a matrix.
constexpr int64_t kRowsBehind = 4;

// Rows of random numbers on the device, and both ways to normalise them.
class Layer {
 public:
  Layer(const Checked& checked, const RowNormShape& shape, bool with_bias)
      : checked_(checked), shape_(shape), weight_(Random({shape.dim}) + 1) {
    if (with_bias) bias_ = Random({shape.dim});
  }

  // Far from 0, as a ViT's last layers are.
  at::Tensor RandomInput() const { return Random({shape_.rows, shape_.dim}) * 3 + 20; }

  int Run(const at::Tensor& in, const at::Tensor& out) const {
    return checked_.kernels.run_norm({.shape = shape_,
                                      .in = in.const_data_ptr(),
                                      .out = out.mutable_data_ptr(),
                                      .weight = weight_.const_data_ptr(),
                                      .bias = bias_.defined() ? bias_.const_data_ptr() : nullptr,
                                      .epsilon = static_cast<float>(kEpsilon)},
                                     StreamOf(checked_.device));
  }

  at::Tensor InSteps(const at::Tensor& in, at::ScalarType type) const {
    const at::Tensor x = in.to(type), weight = weight_.to(type);
    if (!bias_.defined()) return at::rms_norm(x, weight.sizes(), weight, kEpsilon);
    return at::layer_norm(x, weight.sizes(), weight, bias_.to(type), kEpsilon);
  }

 private:
  at::Tensor Random(at::IntArrayRef sizes) const {
    return at::randn(sizes, at::TensorOptions(checked_.device).dtype(at::kFloat))
        .to(shape_.type == HalfType::kBFloat16 ? at::kBFloat16 : at::kHalf);
  }

  const Checked& checked_;
  const RowNormShape shape_;
  at::Tensor weight_, bias_;
};

std::string Describe(const RowNormShape& s, bool with_bias) {
  return absl::StrFormat("%s of %dx%d in %s", with_bias ? "LayerNorm" : "RMSNorm", s.rows, s.dim,
                         s.type == HalfType::kBFloat16 ? "bfloat16" : "float16");
}

// Each number is the one of float64, but for its own rounding and for sums in float32.
void Check(const Checked& checked, const RowNormShape& shape, bool with_bias, Tally& tally) {
  const std::string what = Describe(shape, with_bias);
  const Layer layer(checked, shape, with_bias);
  const at::Tensor in = layer.RandomInput();
  const at::Tensor out = at::full({shape.rows + kRowsBehind, shape.dim}, NAN, in.options());
  const at::Tensor behind = out.narrow(0, shape.rows, kRowsBehind);
  behind.fill_(7);
  if (!tally.Started(what, layer.Run(in, out))) return;
  tally.Compare(what, out.narrow(0, 0, shape.rows), layer.InSteps(in, at::kDouble),
                shape.type == HalfType::kBFloat16 ? 0x1p-8 : 0x1p-11, /*sums=*/5e-5);
  tally.Expect(what, at::equal(behind, at::full_like(behind, 7)), "writes beyond its rows");
  tally.Started(what, layer.Run(in, in));
  tally.Expect(what + ", in place", at::equal(in, out.narrow(0, 0, shape.rows)),
               "differs from the result elsewhere");
}

}  // namespace

int CheckRowNorms(const Checked& checked) {
  Tally tally(checked.kernels);
  std::vector<int64_t> dims = {8, 64, 192, 256, 264, 384, 768, 1024, 1280, 1408, 1792, 2048};
  std::vector<int64_t> rows = {1, 7, 197, 6304};
  std::vector<HalfType> types = {HalfType::kBFloat16, HalfType::kFloat16};
  if (checked.few) dims = {264}, rows = {7}, types = {HalfType::kBFloat16};
  for (HalfType type : types) {
    for (int64_t dim : dims) {
      for (int64_t count : rows) {
        for (bool with_bias : {true, false}) {
          Check(checked, {.type = type, .rows = count, .dim = dim}, with_bias, tally);
        }
      }
    }
  }
  return tally.Print("norm");
}

void TimeRowNorms(const Checked& checked) {
  constexpr int kLaunches = 20;
  for (int64_t dim : {192, 768}) {  // ViT-Ti, ViT-B
    for (int64_t images : {1, 8, 32, 128}) {
      const RowNormShape shape = {.rows = images * 197, .dim = dim};
      const Layer layer(checked, shape, /*with_bias=*/true);
      const at::Tensor in = layer.RandomInput(), out = at::empty_like(in);
      layer.Run(in, out);
      const double us = Microseconds(checked.device, kLaunches, [&](int) { layer.Run(in, out); });
      const double steps =
          Microseconds(checked.device, kLaunches, [&](int) { layer.InSteps(in, at::kBFloat16); });
      std::printf(
          "{\"kernel\": \"norm\", \"shape\": \"%s\", \"us\": %.2f, \"steps_us\": %.2f, "
          "\"gb_s\": %.0f}\n",
          Describe(shape, true).c_str(), us, steps, 4e-3 * shape.rows * shape.dim / us);
    }
  }
}

}  // namespace patchserve::cuda
