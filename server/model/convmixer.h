// ConvMixer of Trockman and Kolter, "Patches Are All You Need?" (arXiv 2201.09792),
// section 2, with timm's weight names (timm/models/convmixer.py).
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "server/model/config.h"
#include "server/model/linear.h"
#include "server/model/network.h"
#include "server/model/spatial_mixing.h"
#include "server/model/weights.h"

namespace patchserve {

// One layer of the paper: a depthwise convolution that mixes places within a channel,
// and a pointwise one that mixes the channels of a place. The BatchNorm after it is a part
// of it, or is applied by what reads its result: each device has its own place for it.
struct ConvMixerLayer {
  SpatialMixing spatial;
  Linear pointwise;  // [C, C]
};

struct ConvMixerWeights {
  int64_t dim = 0;  // C
  Activation activation = Activation::kGelu;
  PatchEmbedding stem;  // [C, patch * patch * 3]
  std::vector<ConvMixerLayer> layers;
  BatchNorm norm;  // [C]: the last layer's, if that doesn't apply it
  Linear head;     // [classes, C]; may not be there
};

// Width, depth, kernel and patch are those of the tensors. Errors: INVALID_ARGUMENT,
// naming the tensor or the field of model_args.
absl::StatusOr<ConvMixerWeights> TakeConvMixer(Weights& weights, const ModelConfig& config);

// images: [N, H, W, 3], normalised, sides of at least one patch.
NetworkOutput ConvMixer(const ConvMixerWeights& w, const at::Tensor& images);

}  // namespace patchserve
