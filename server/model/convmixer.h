// ConvMixer of Trockman and Kolter, "Patches Are All You Need?" (arXiv 2201.09792),
// section 2, with timm's weight names (timm/models/convmixer.py).
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "server/model/config.h"
#include "server/model/layers.h"
#include "server/model/network.h"
#include "server/model/weights.h"

namespace patchserve {

// One layer of the paper: a depthwise convolution that mixes places within a channel,
// and a pointwise one that mixes the channels of a place.
struct ConvMixerLayer {
  Convolution depthwise;       // [C, 1, kernel, kernel]
  at::Tensor depthwise_scale;  // [1, C, 1, 1]; its BatchNorm's shift is in pointwise.bias
  Convolution pointwise;       // [C, C, 1, 1]
  at::Tensor scale, shift;     // [1, C, 1, 1]: the BatchNorm after pointwise
};

struct ConvMixerWeights {
  Activation activation = Activation::kGelu;
  Convolution stem;                   // [C, 3, patch, patch]
  at::Tensor stem_scale, stem_shift;  // [1, C, 1, 1]
  std::vector<ConvMixerLayer> layers;
  Linear head;  // [classes, C]
};

// Width, depth, kernel and patch are those of the tensors. Errors: INVALID_ARGUMENT,
// naming the tensor or the field of model_args.
absl::StatusOr<ConvMixerWeights> TakeConvMixer(Weights& weights, const ModelConfig& config);

// images: [N, 3, H, W], normalised, channels last, sides of at least one patch.
NetworkOutput ConvMixer(const ConvMixerWeights& w, const at::Tensor& images);

}  // namespace patchserve
