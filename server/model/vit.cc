#include "server/model/vit.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/scaled_dot_product_attention.h>

#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/base/status.h"

namespace patchserve {
namespace {

// Sizes that the tensors show.
struct ViTShape {
  int64_t dim = 0;
  int64_t patch = 0;
  int64_t depth = 0;
  int64_t hidden = 0;  // of the MLPs
  int64_t tokens = 0;  // the class token and the patches
};

absl::StatusOr<ViTShape> ShapeOf(const Weights& weights) {
  ASSIGN_OR_RETURN(const auto patch_embed, weights.ShapeOf("patch_embed.proj.weight", 4));
  ASSIGN_OR_RETURN(const auto fc1, weights.ShapeOf("blocks.0.mlp.fc1.weight", 2));
  ASSIGN_OR_RETURN(const auto positions, weights.ShapeOf("pos_embed", 3));
  int64_t depth = 1;
  while (weights.Has(absl::StrCat("blocks.", depth, ".mlp.fc1.weight"))) ++depth;
  return ViTShape{patch_embed[0], patch_embed[2], depth, fc1[0], positions[1]};
}

absl::Status CheckModelArgs(const ModelConfig& config, const ViTShape& shape) {
  const ModelArgs& args = config.model_args;
  RETURN_IF_ERROR(CheckModelArg("embed_dim", args.dim, shape.dim));
  RETURN_IF_ERROR(CheckModelArg("depth", args.depth, shape.depth));
  RETURN_IF_ERROR(CheckModelArg("patch_size", args.patch_size, shape.patch));
  if (args.mlp_ratio && std::floor(shape.dim * *args.mlp_ratio) != shape.hidden) {
    return absl::InvalidArgumentError(absl::StrCat("model_args.mlp_ratio is ", *args.mlp_ratio,
                                                   " in config.json, the tensors say ",
                                                   shape.hidden, "/", shape.dim));
  }
  return absl::OkStatus();
}

absl::Status CheckHeads(const ModelConfig& config, const ViTShape& shape) {
  if (shape.dim % config.num_heads == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("embed_dim ", shape.dim, " is not a multiple of num_heads, ", config.num_heads));
}

absl::Status CheckInputSize(const Preprocessing& input, const ViTShape& shape) {
  const bool whole = input.height % shape.patch == 0 && input.width % shape.patch == 0;
  const int64_t patches = (input.height / shape.patch) * (input.width / shape.patch);
  if (whole && patches + 1 == shape.tokens) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "tensor pos_embed is for ", shape.tokens - 1, " patches of ", shape.patch, "x", shape.patch,
      " pixels and a class token, input_size is ", input.height, "x", input.width));
}

absl::StatusOr<ViTBlock> TakeBlock(Weights& weights, const std::string& name,
                                   const ViTShape& shape) {
  ViTBlock block;
  const int64_t dim = shape.dim;
  ASSIGN_OR_RETURN(block.norm1, TakeLayerNorm(weights, name + ".norm1", dim));
  ASSIGN_OR_RETURN(block.qkv, TakeLinear(weights, name + ".attn.qkv", dim, 3 * dim));
  ASSIGN_OR_RETURN(block.proj, TakeLinear(weights, name + ".attn.proj", dim, dim));
  ASSIGN_OR_RETURN(block.norm2, TakeLayerNorm(weights, name + ".norm2", dim));
  ASSIGN_OR_RETURN(block.fc1, TakeLinear(weights, name + ".mlp.fc1", dim, shape.hidden));
  ASSIGN_OR_RETURN(block.fc2, TakeLinear(weights, name + ".mlp.fc2", shape.hidden, dim));
  return block;
}

// [N, 3, H, W] -> [N, 1 + patches, D]: the class token, then the patches by rows.
at::Tensor Embed(const ViTWeights& w, const at::Tensor& images) {
  const int64_t patch = w.patch_embed.weight.size(2);
  const at::Tensor grid =  // [N, D, H/patch, W/patch]
      at::conv2d(images, w.patch_embed.weight, w.patch_embed.bias, /*stride=*/patch);
  const at::Tensor patches = grid.flatten(2).transpose(1, 2);  // [N, patches, D]
  const at::Tensor class_token = w.class_token.expand({images.size(0), -1, -1});
  return at::cat({class_token, patches + w.patch_positions}, /*dim=*/1);
}

// Multi-head self-attention in which only the first `queries` tokens ask: [N, T, D] ->
// [N, queries, D].
at::Tensor Attention(const ViTBlock& block, int64_t heads, const at::Tensor& x, int64_t queries) {
  const int64_t n = x.size(0), tokens = x.size(1), dim = x.size(2);
  const at::Tensor qkv = block
                             .qkv(x)  // [N, T, 3 * D] -> [3, N, heads, T, D / heads]
                             .view({n, tokens, 3, heads, dim / heads})
                             .permute({2, 0, 3, 1, 4});
  const at::Tensor mixed =
      at::scaled_dot_product_attention(qkv[0].narrow(/*dim=*/2, 0, queries), qkv[1], qkv[2]);
  return block.proj(mixed.transpose(1, 2).reshape({n, queries, dim}));
}

// The paper's equations 2 and 3. Of the result only the first `kept` tokens are
// computed: [N, T, D] -> [N, kept, D].
at::Tensor Block(const ViTBlock& block, const ViTWeights& w, const at::Tensor& x, int64_t kept) {
  at::Tensor y = Attention(block, w.heads, block.norm1(x), kept).add_(x.narrow(1, 0, kept));
  at::Tensor hidden = block.fc1(block.norm2(y));
  Activate(w.activation, hidden);
  return block.fc2(hidden).add_(y);
}

}  // namespace

absl::StatusOr<ViTWeights> TakeViT(Weights& weights, const ModelConfig& config) {
  ASSIGN_OR_RETURN(const ViTShape shape, ShapeOf(weights));
  RETURN_IF_ERROR(CheckModelArgs(config, shape));
  RETURN_IF_ERROR(CheckHeads(config, shape));
  RETURN_IF_ERROR(CheckInputSize(config.preprocessing, shape));

  ViTWeights w{.activation = config.activation, .heads = config.num_heads};
  const int64_t dim = shape.dim;
  ASSIGN_OR_RETURN(w.patch_embed,
                   TakeConvolution(weights, "patch_embed.proj", 3, dim, shape.patch));
  ASSIGN_OR_RETURN(const at::Tensor class_token, weights.Take("cls_token", {1, 1, dim}));
  ASSIGN_OR_RETURN(const at::Tensor positions, weights.Take("pos_embed", {1, shape.tokens, dim}));
  w.class_token = weights.Place(class_token + positions.narrow(1, 0, 1));
  w.patch_positions = weights.Place(positions.narrow(1, 1, shape.tokens - 1));
  for (int64_t i = 0; i < shape.depth; ++i) {
    ASSIGN_OR_RETURN(w.blocks.emplace_back(),
                     TakeBlock(weights, absl::StrCat("blocks.", i), shape));
  }
  ASSIGN_OR_RETURN(w.norm, TakeLayerNorm(weights, "norm", dim));
  ASSIGN_OR_RETURN(w.head, TakeLinear(weights, "head", dim, config.num_classes()));
  return w;
}

NetworkOutput ViT(const ViTWeights& w, const at::Tensor& images) {
  at::Tensor x = Embed(w, images);  // [N, T, D]
  for (const ViTBlock& block : w.blocks) {
    // Only the class token is looked at in the end, so the last block leaves out the rest.
    const bool last = &block == &w.blocks.back();
    x = Block(block, w, x, /*kept=*/last ? 1 : x.size(1));
  }
  at::Tensor embedding = w.norm(x.select(/*dim=*/1, 0));  // [N, D]
  at::Tensor logits = w.head(embedding);
  return {.logits = std::move(logits), .embedding = std::move(embedding)};
}

}  // namespace patchserve
