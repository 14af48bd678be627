// The Vision Transformer of Dosovitskiy et al., "An Image is Worth 16x16 Words"
// (arXiv 2010.11929), section 3.1, with timm's weight names
// (timm/models/vision_transformer.py): class token, learned positions, LayerNorm
// before each part. DeiT (arXiv 2012.12877) without distillation is the same network.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "server/model/config.h"
#include "server/model/layers.h"
#include "server/model/network.h"
#include "server/model/weights.h"

namespace patchserve {

struct ViTBlock {
  LayerNorm norm1;
  Linear qkv;   // [3 * D, D]: queries, keys and values of all heads
  Linear proj;  // [D, D]
  LayerNorm norm2;
  Linear fc1;  // [hidden, D]
  Linear fc2;  // [D, hidden]
};

struct ViTWeights {
  Activation activation = Activation::kGelu;
  int64_t heads = 0;
  Convolution patch_embed;     // [D, 3, patch, patch]
  at::Tensor class_token;      // [1, 1, D], its position embedding added
  at::Tensor patch_positions;  // [1, patches, D]
  std::vector<ViTBlock> blocks;
  LayerNorm norm;
  Linear head;  // [classes, D]
};

// Width, depth, patch and the MLPs' width are those of the tensors. Errors:
// INVALID_ARGUMENT, naming the tensor or the field of config.json.
absl::StatusOr<ViTWeights> TakeViT(Weights& weights, const ModelConfig& config);

// images: [N, 3, H, W], normalised, channels last, of the size that the positions are for.
NetworkOutput ViT(const ViTWeights& w, const at::Tensor& images);

}  // namespace patchserve
