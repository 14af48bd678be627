#include "server/model/convmixer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addcmul.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/mv.h>

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/base/status.h"

namespace patchserve {
namespace {

at::Tensor PerChannel(const Weights& weights, const at::Tensor& values) {
  return weights.Place(values.view({1, -1, 1, 1}));
}

absl::StatusOr<ConvMixerLayer> TakeLayer(Weights& weights, const std::string& name, int64_t dim,
                                         int64_t kernel) {
  ConvMixerLayer layer;
  ASSIGN_OR_RETURN(layer.depthwise, TakeConvolution(weights, name + ".0.fn.0", 1, dim, kernel));
  ASSIGN_OR_RETURN(const BatchNorm inner, TakeBatchNorm(weights, name + ".0.fn.2", dim));
  layer.depthwise_scale = PerChannel(weights, inner.scale);

  // What inner.shift adds to each channel goes through the pointwise convolution as a
  // constant, so it becomes a part of that one's bias: one pass over the pixels less.
  ASSIGN_OR_RETURN(const at::Tensor pointwise, weights.Take(name + ".1.weight", {dim, dim, 1, 1}));
  ASSIGN_OR_RETURN(const at::Tensor bias, weights.Take(name + ".1.bias", {dim}));
  layer.pointwise = {weights.Place(pointwise).contiguous(at::MemoryFormat::ChannelsLast),
                     weights.Place(bias + at::mv(pointwise.view({dim, dim}), inner.shift))};

  ASSIGN_OR_RETURN(const BatchNorm outer, TakeBatchNorm(weights, name + ".3", dim));
  layer.scale = PerChannel(weights, outer.scale);
  layer.shift = PerChannel(weights, outer.shift);
  return layer;
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

  ConvMixerWeights w{.activation = config.activation};
  ASSIGN_OR_RETURN(w.stem, TakeConvolution(weights, "stem.0", 3, dim, patch));
  ASSIGN_OR_RETURN(const BatchNorm norm, TakeBatchNorm(weights, "stem.2", dim));
  w.stem_scale = PerChannel(weights, norm.scale);
  w.stem_shift = PerChannel(weights, norm.shift);
  for (int64_t i = 0; i < depth; ++i) {
    ASSIGN_OR_RETURN(w.layers.emplace_back(),
                     TakeLayer(weights, absl::StrCat("blocks.", i), dim, kernel));
  }
  ASSIGN_OR_RETURN(w.head, TakeLinear(weights, "head", dim, config.num_classes()));
  return w;
}

NetworkOutput ConvMixer(const ConvMixerWeights& w, const at::Tensor& images) {
  // Patch embedding: [N, 3, H, W] -> [N, C, H/patch, W/patch], the shape from here on.
  const int64_t patch = w.stem.weight.size(2);
  at::Tensor x = at::conv2d(images, w.stem.weight, w.stem.bias, /*stride=*/patch);
  Activate(w.activation, x);
  at::addcmul_out(x, w.stem_shift, x, w.stem_scale);

  for (const ConvMixerLayer& layer : w.layers) {
    // Spatial mixing with a residual: x + BatchNorm(activation(depthwise(x))).
    at::Tensor mixed = at::conv2d(x, layer.depthwise.weight, layer.depthwise.bias, /*stride=*/1,
                                  "same", /*dilation=*/1, /*groups=*/x.size(1));
    Activate(w.activation, mixed);
    at::addcmul_out(x, x, mixed, layer.depthwise_scale);

    // Channel mixing: BatchNorm(activation(pointwise(x))).
    x = at::conv2d(x, layer.pointwise.weight, layer.pointwise.bias);
    Activate(w.activation, x);
    at::addcmul_out(x, layer.shift, x, layer.scale);
  }

  // Global average pooling: [N, C, H/patch, W/patch] -> [N, C].
  at::Tensor pooled = at::mean(x, {2, 3});
  at::Tensor logits = w.head(pooled);
  return {.logits = std::move(logits), .embedding = std::move(pooled)};
}

}  // namespace patchserve
