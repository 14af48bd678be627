#include "server/model/convmixer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/mv.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/status.h"

namespace patchserve {
namespace {

// `before`: what is left to apply of the BatchNorm of the layer before. Becomes this layer's.
absl::StatusOr<ConvMixerLayer> TakeLayer(Weights& weights, const std::string& name, int64_t dim,
                                         int64_t kernel, Activation activation, BatchNorm& before) {
  ASSIGN_OR_RETURN(const at::Tensor depthwise,
                   weights.Take(name + ".0.fn.0.weight", {dim, 1, kernel, kernel}));
  ASSIGN_OR_RETURN(const at::Tensor depthwise_bias, weights.Take(name + ".0.fn.0.bias", {dim}));
  ASSIGN_OR_RETURN(const BatchNorm inner, TakeBatchNorm(weights, name + ".0.fn.2", dim));
  SpatialMixing spatial(weights, before, depthwise, depthwise_bias, inner);

  // What inner.shift adds to each channel goes through the pointwise convolution as a
  // constant, so it becomes a part of that one's bias: one pass over the pixels less.
  ASSIGN_OR_RETURN(const at::Tensor kernels, weights.Take(name + ".1.weight", {dim, dim, 1, 1}));
  ASSIGN_OR_RETURN(const at::Tensor bias, weights.Take(name + ".1.bias", {dim}));
  const at::Tensor pointwise = kernels.view({dim, dim});
  Linear linear(weights.target(), pointwise, bias + at::mv(pointwise, inner.shift),
                weights.kernels());
  ASSIGN_OR_RETURN(const BatchNorm outer, TakeBatchNorm(weights, name + ".3", dim));
  before = linear.Absorb(activation, outer);
  return ConvMixerLayer{std::move(spatial), std::move(linear)};
}

}  // namespace

absl::StatusOr<ConvMixerWeights> TakeConvMixer(Weights& weights, const ModelConfig& config) {
  ASSIGN_OR_RETURN(const std::vector<int64_t> stem, weights.ShapeOf("stem.0.weight", 4));
  ASSIGN_OR_RETURN(const std::vector<int64_t> depthwise,
                   weights.ShapeOf("blocks.0.0.fn.0.weight", 4));
  const int64_t dim = stem[0], patch = stem[2], kernel = depthwise[2];
  int64_t depth = 1;
  while (weights.Has(absl::StrCat("blocks.", depth, ".0.fn.0.weight"))) ++depth;
  RETURN_IF_ERROR(CheckModelArg("dim", config.model_args.dim, dim));
  RETURN_IF_ERROR(CheckModelArg("depth", config.model_args.depth, depth));
  RETURN_IF_ERROR(CheckModelArg("patch_size", config.model_args.patch_size, patch));
  RETURN_IF_ERROR(CheckModelArg("kernel_size", config.model_args.kernel_size, kernel));
  const Preprocessing& input = config.preprocessing;
  if (std::min(input.height, input.width) < patch) {
    return absl::InvalidArgumentError(absl::StrCat("input_size ", input.height, "x", input.width,
                                                   " is less than a patch, ", patch));
  }

  ConvMixerWeights w{.dim = dim, .activation = config.activation};
  ASSIGN_OR_RETURN(w.stem, TakePatchEmbedding(weights, "stem.0", dim, patch));
  ASSIGN_OR_RETURN(BatchNorm norm, TakeBatchNorm(weights, "stem.2", dim));
  norm = w.stem.linear.Absorb(w.activation, norm);
  for (int64_t i = 0; i < depth; ++i) {
    ASSIGN_OR_RETURN(ConvMixerLayer layer, TakeLayer(weights, absl::StrCat("blocks.", i), dim,
                                                     kernel, w.activation, norm));
    w.layers.push_back(std::move(layer));
  }
  w.norm = norm.To(weights.target());
  ASSIGN_OR_RETURN(w.head, TakeHead(weights, "head", dim, config.num_classes()));
  return w;
}

NetworkOutput ConvMixer(const ConvMixerWeights& w, const at::Tensor& images) {
  // Patch embedding: [N, H, W, 3] -> [N, H/patch, W/patch, C], the shape from here on.
  at::Tensor x = w.stem.linear.Activated(w.activation, w.stem.Patches(images));
  for (const ConvMixerLayer& layer : w.layers) {
    // Spatial mixing with a residual: x + BatchNorm(activation(depthwise(x))), of x after the
    // BatchNorm before.
    x = layer.spatial(w.activation, x);
    // Channel mixing: BatchNorm(activation(pointwise(x))).
    x = layer.pointwise.Activated(w.activation, x);
  }
  // Global average pooling, of the last BatchNorm's result: [N, H/patch, W/patch, C] -> [N, C].
  return Classified(w.head, w.norm(at::mean(x, {1, 2})));
}

}  // namespace patchserve
