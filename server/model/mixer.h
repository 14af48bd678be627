// Networks of patches and linear layers alone, with timm's weight names
// (timm/models/mlp_mixer.py): MLP-Mixer of Tolstikhin et al. (arXiv 2105.01601), ResMLP of Touvron
// et al. (2105.03404), gMLP of Liu et al., "Pay Attention to MLPs" (2105.08050), and timm's
// Glu-Mixer, a Mixer of gated MLPs (2002.05202).
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "server/model/config.h"
#include "server/model/layers.h"
#include "server/model/linear.h"
#include "server/model/network.h"
#include "server/model/weights.h"

namespace patchserve {

// T patches of C channels each: [N, T, C]. What mixes the patches works on [N, C, T].

struct Mlp {
  bool gated = false;  // fc1's second half, activated, multiplies its first
  Linear fc1;          // [hidden, in], [2 * hidden, in] if gated
  Linear fc2;          // [in, hidden]
};

struct MixerBlock {
  Norm norm1;
  Mlp tokens;  // of T
  Norm norm2;
  Mlp channels;  // of C
};

// alpha * x + beta, [C] each: ResMLP's norm. Undefined: none.
struct Affine {
  at::Tensor alpha, beta;
  at::Tensor operator()(const at::Tensor& x) const;
};

// The second Affine and LayerScale are part of `channels`.
struct ResMlpBlock {
  Affine affine;
  Linear tokens;     // [T, T]
  at::Tensor scale;  // [C]: LayerScale
  Mlp channels;
};

struct GmlpBlock {
  Norm norm;
  Linear fc1;      // [2 * hidden, C]
  Norm gate_norm;  // of hidden
  Linear gate;     // [T, T]
  Linear fc2;      // [C, hidden]
};

struct MixerWeights {
  Activation activation = Activation::kGelu;
  PatchEmbedding stem;                                                   // [C, patch * patch * 3]
  std::vector<std::variant<MixerBlock, ResMlpBlock, GmlpBlock>> blocks;  // of one kind
  Norm norm;                                                             // ResMLP has none
  Affine affine;                                                         // the others have none
  Linear head;  // [classes, C]; may not be there

  int64_t embedding_size() const {
    return (norm.weight.defined() ? norm.weight : affine.alpha).size(0);
  }
};

// Sizes are those of the tensors, the kind of blocks config.mixer. Errors: INVALID_ARGUMENT, naming
// the tensor or the field of config.json.
absl::StatusOr<MixerWeights> TakeMixer(Weights& weights, const ModelConfig& config);

// images: [N, H, W, 3], normalised, of the size in config.preprocessing.
NetworkOutput Mixer(const MixerWeights& w, const at::Tensor& images);

}  // namespace patchserve
