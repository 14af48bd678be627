// The Vision Transformer of Dosovitskiy et al., "An Image is Worth 16x16 Words"
// (arXiv 2010.11929), section 3.1, with what others changed since and timm's
// VisionTransformer knows (timm/models/vision_transformer.py, deit.py), under its
// weight names: DeiT with distillation (arXiv 2012.12877) and LayerScale (2103.17239),
// registers (2309.16588), average and attention pools, CLIP's and AIMv2's variants.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "server/model/config.h"
#include "server/model/layers.h"
#include "server/model/linear.h"
#include "server/model/network.h"
#include "server/model/weights.h"

namespace patchserve {

// What a network doesn't have is a Norm without weight or an undefined tensor. LayerScale is
// part of the layers before it.

struct ViTAttention {
  Linear qkv;           // [3 * D, D]: queries, keys and values of all heads
  Norm q_norm, k_norm;  // of a head's queries and keys
  Norm norm;            // of what the heads give
  Linear proj;          // [D, D]
};

struct ViTMlp {
  bool gated = false;  // fc1's first half, activated, multiplies its second
  Linear fc1;          // [hidden, D], [2 * hidden, D] if gated
  Norm norm;
  Linear fc2;  // [D, hidden]
};

struct ViTBlock {
  Norm norm1, norm2;            // before the attention and the MLP; norm1 before both if parallel
  ViTAttention attention;       //
  ViTMlp mlp;                   //
  Norm post_norm1, post_norm2;  // after them
};

// "map": one more attention, by a query that was learned, and an MLP.
struct ViTAttentionPool {
  at::Tensor query;  // [1, heads, 1, D / heads]; undefined: no such pool
  Linear kv;         // [2 * D, D]
  Linear proj;       // [D, D]
  Norm norm;
  ViTMlp mlp;
};

struct ViTWeights {
  ViTOptions options;
  Activation activation = Activation::kGelu;
  PatchEmbedding patch_embed;  // [D, patch * patch * 3]
  Norm patch_norm;             //
  at::Tensor prefix;           // [1, prefix, D]: the tokens before the patches, positions added
  at::Tensor patch_positions;  // [1, patches, D]
  Norm norm_pre;
  std::vector<ViTBlock> blocks;
  Norm norm;  // before the pool
  ViTAttentionPool attention_pool;
  Norm fc_norm;      // after it
  Linear head;       // [classes, D]; may not be there
  Linear head_dist;  // the distillation token's
};

// Width, depth, patch and the MLPs' width are those of the tensors, the rest is as
// config.vit says. Errors: INVALID_ARGUMENT, naming the tensor or the field of config.json.
absl::StatusOr<ViTWeights> TakeViT(Weights& weights, const ModelConfig& config);

// images: [N, H, W, 3], normalised, of the size in config.preprocessing.
NetworkOutput ViT(const ViTWeights& w, const at::Tensor& images);

}  // namespace patchserve
