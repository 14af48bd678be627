#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/base/status.h"
#include "server/model/positions.h"
#include "server/model/vit.h"

namespace patchserve {
namespace {

// Sizes that the tensors show.
struct ViTShape {
  int64_t dim = 0;
  int64_t patch = 0;
  int64_t depth = 0;
  int64_t hidden = 0;  // rows of the MLPs' fc1, or of each of a SwiGLU's two
};

absl::StatusOr<ViTShape> ShapeOf(const Weights& weights, const ViTOptions& options) {
  const auto fc1_of = [&](int64_t block) {
    const char* fc1 = options.parallel ? ".in_proj.weight"
                      : options.swiglu ? ".mlp.fc1_g.weight"
                                       : ".mlp.fc1.weight";
    return absl::StrCat("blocks.", block, fc1);
  };
  ASSIGN_OR_RETURN(const auto patch_embed, weights.ShapeOf("patch_embed.proj.weight", 4));
  ASSIGN_OR_RETURN(const auto fc1, weights.ShapeOf(fc1_of(0), 2));
  int64_t depth = 1;
  while (weights.Has(fc1_of(depth))) ++depth;
  const int64_t dim = patch_embed[0], qkv = options.parallel ? 3 * dim : 0;
  return ViTShape{dim, patch_embed[2], depth, fc1[0] - qkv};
}

absl::Status CheckHasAPatch(const char* field, std::array<int, 2> size, int64_t patch) {
  if (std::min(size[0], size[1]) >= patch) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, " ", size[0], "x", size[1], " is less than a patch, ", patch));
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
  if (shape.dim % config.vit.num_heads != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "embed_dim ", shape.dim, " is not a multiple of num_heads, ", config.vit.num_heads));
  }
  const Preprocessing& input = config.preprocessing;
  RETURN_IF_ERROR(CheckHasAPatch("input_size", {input.height, input.width}, shape.patch));
  return CheckHasAPatch("img_size", config.built_size, shape.patch);
}

// Takes the parts of one network, which share their options and sizes.
class ViTTaker {
 public:
  ViTTaker(Weights& weights, const ModelConfig& config, const ViTShape& shape)
      : weights_(weights), config_(config), options_(config.vit), shape_(shape) {}

  absl::Status TakePatches(ViTWeights& w);
  absl::Status TakeTokens(ViTWeights& w);
  absl::StatusOr<ViTBlock> TakeBlock(const std::string& name);
  absl::StatusOr<ViTAttentionPool> TakeAttentionPool();
  absl::Status TakeHeads(ViTWeights& w);

 private:
  absl::StatusOr<Norm> TakeNormIf(bool there, const std::string& name, int64_t dim) {
    if (!there) return Norm();
    const NormKind kind = options_.rms_norm ? NormKind::kRms : NormKind::kLayer;
    return TakeNorm(weights_, name, dim, kind, options_.norm_epsilon);
  }

  static Bias BiasIf(bool there) { return there ? Bias::kYes : Bias::kNone; }

  // A layer and, where there is one, the LayerScale that multiplies what it gives. A norm in
  // between (post_norm) takes init_values as its own start: there is no LayerScale then.
  absl::StatusOr<Linear> TakeScaledLinear(const std::string& name, int64_t in,
                                          const std::string& scale_name) {
    ASSIGN_OR_RETURN(LinearTensors tensors,
                     TakeLinearTensors(weights_, name, in, shape_.dim, BiasIf(options_.proj_bias)));
    if (options_.layer_scale && !options_.post_norm) {
      ASSIGN_OR_RETURN(const at::Tensor scale, weights_.Take(scale_name, {shape_.dim}));
      tensors.weight.mul_(scale.view({-1, 1}));
      if (tensors.bias.defined()) tensors.bias.mul_(scale);
    }
    return Linear(weights_.target(), tensors.weight, tensors.bias, weights_.kernels());
  }

  absl::StatusOr<ViTBlock> TakeParallelBlock(const std::string& name);
  absl::StatusOr<ViTAttention> TakeAttention(const std::string& block);
  absl::StatusOr<Linear> TakeGatedFc1(const std::string& name, Bias bias);
  absl::StatusOr<ViTMlp> TakeMlp(const std::string& block);
  absl::StatusOr<at::Tensor> TakePrefix();

  Weights& weights_;
  const ModelConfig& config_;
  const ViTOptions& options_;
  const ViTShape& shape_;
};

absl::Status ViTTaker::TakePatches(ViTWeights& w) {
  const Bias bias = BiasIf(!options_.pre_norm);
  ASSIGN_OR_RETURN(w.patch_embed, TakePatchEmbedding(weights_, "patch_embed.proj", shape_.dim,
                                                     shape_.patch, bias));
  if (options_.embed_norm) {  // model_args.norm_layer doesn't change this one
    ASSIGN_OR_RETURN(w.patch_norm, TakeNorm(weights_, "patch_embed.norm", shape_.dim,
                                            NormKind::kRms, /*epsilon=*/1e-5));
  }
  ASSIGN_OR_RETURN(w.norm_pre, TakeNormIf(options_.pre_norm, "norm_pre", shape_.dim));
  return absl::OkStatus();
}

// The tokens that stand before the patches: [1, prefix, D].
absl::StatusOr<at::Tensor> ViTTaker::TakePrefix() {
  std::vector<at::Tensor> tokens = {at::empty({1, 0, shape_.dim})};
  const auto take = [&](const char* name, int64_t count) -> absl::Status {
    if (count == 0) return absl::OkStatus();
    ASSIGN_OR_RETURN(tokens.emplace_back(), weights_.Take(name, {1, count, shape_.dim}));
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(take("cls_token", options_.class_token ? 1 : 0));
  RETURN_IF_ERROR(take("dist_token", options_.distilled ? 1 : 0));
  RETURN_IF_ERROR(take("reg_token", options_.reg_tokens));
  return at::cat(tokens, /*dim=*/1);
}

absl::Status ViTTaker::TakeTokens(ViTWeights& w) {
  ASSIGN_OR_RETURN(at::Tensor prefix, TakePrefix());
  ASSIGN_OR_RETURN(const auto shape, weights_.ShapeOf("pos_embed", 3));
  ASSIGN_OR_RETURN(at::Tensor positions, weights_.Take("pos_embed", {1, shape[1], shape_.dim}));
  if (!options_.no_embed_class) {
    const int64_t count = prefix.size(1);
    if (shape[1] <= count) {
      return absl::InvalidArgumentError(absl::StrCat("tensor pos_embed has ", shape[1],
                                                     " positions, ", count,
                                                     " of them for the tokens before the patches"));
    }
    prefix = prefix + positions.narrow(/*dim=*/1, 0, count);
    positions = positions.narrow(/*dim=*/1, count, shape[1] - count);
  }
  ASSIGN_OR_RETURN(const Grid trained,
                   GridOf(positions.size(1), config_.trained_size, shape_.patch));
  const Grid built = {config_.built_size[0] / shape_.patch, config_.built_size[1] / shape_.patch};
  const Preprocessing& input = config_.preprocessing;
  const Grid fed = {input.height / shape_.patch, input.width / shape_.patch};
  // timm resizes what it loads to what the network is built for, and with dynamic_img_size
  // once more in the forward pass, the same way for all networks.
  positions = ResizePositions(positions, trained, built, options_.position_resize);
  positions = ResizePositions(positions, built, fed, PositionResize::kBicubicAntialias);
  w.prefix = weights_.Place(prefix);
  w.patch_positions = weights_.Place(positions);
  return absl::OkStatus();
}

absl::StatusOr<ViTAttention> ViTTaker::TakeAttention(const std::string& block) {
  const std::string name = block + ".attn";
  ViTAttention attention;
  const int64_t dim = shape_.dim, head_dim = dim / options_.num_heads;
  ASSIGN_OR_RETURN(attention.qkv,
                   TakeLinear(weights_, name + ".qkv", dim, 3 * dim, BiasIf(options_.qkv_bias)));
  ASSIGN_OR_RETURN(attention.q_norm, TakeNormIf(options_.qk_norm, name + ".q_norm", head_dim));
  ASSIGN_OR_RETURN(attention.k_norm, TakeNormIf(options_.qk_norm, name + ".k_norm", head_dim));
  ASSIGN_OR_RETURN(attention.norm, TakeNormIf(options_.scale_attn_norm, name + ".norm", dim));
  ASSIGN_OR_RETURN(attention.proj, TakeScaledLinear(name + ".proj", dim, block + ".ls1.gamma"));
  return attention;
}

// A SwiGLU's two layers as one, so that it is like timm's packed one.
absl::StatusOr<Linear> ViTTaker::TakeGatedFc1(const std::string& name, Bias bias) {
  ASSIGN_OR_RETURN(const LinearTensors gate,
                   TakeLinearTensors(weights_, name + ".fc1_g", shape_.dim, shape_.hidden, bias));
  ASSIGN_OR_RETURN(const LinearTensors value,
                   TakeLinearTensors(weights_, name + ".fc1_x", shape_.dim, shape_.hidden, bias));
  return Linear(weights_.target(), at::cat({gate.weight, value.weight}),
                bias == Bias::kYes ? at::cat({gate.bias, value.bias}) : at::Tensor(),
                weights_.kernels());
}

absl::StatusOr<ViTMlp> ViTTaker::TakeMlp(const std::string& block) {
  const std::string name = block + ".mlp";
  ViTMlp mlp{.gated = options_.swiglu || options_.packed_glu};
  const Bias bias = BiasIf(options_.proj_bias);
  const int64_t hidden = options_.packed_glu ? shape_.hidden / 2 : shape_.hidden;
  if (options_.swiglu) {
    ASSIGN_OR_RETURN(mlp.fc1, TakeGatedFc1(name, bias));
  } else {
    ASSIGN_OR_RETURN(mlp.fc1, TakeLinear(weights_, name + ".fc1", shape_.dim, shape_.hidden, bias));
  }
  ASSIGN_OR_RETURN(mlp.norm, TakeNormIf(options_.scale_mlp_norm, name + ".norm", hidden));
  ASSIGN_OR_RETURN(mlp.fc2, TakeScaledLinear(name + ".fc2", hidden, block + ".ls2.gamma"));
  return mlp;
}

// timm has the first layers of both, fc1 and qkv, in one.
absl::StatusOr<ViTBlock> ViTTaker::TakeParallelBlock(const std::string& name) {
  const int64_t dim = shape_.dim, hidden = shape_.hidden, head_dim = dim / options_.num_heads;
  if (hidden < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor ", name, ".in_proj.weight has no rows for an MLP"));
  }
  const Bias bias = BiasIf(options_.qkv_bias);
  ASSIGN_OR_RETURN(LinearTensors in,
                   TakeLinearTensors(weights_, name + ".in_proj", dim, hidden + 3 * dim, bias));
  at::Tensor fc1_bias, qkv_bias;
  if (options_.qkv_bias) {
    fc1_bias = in.bias.narrow(/*dim=*/0, 0, hidden);
    qkv_bias = in.bias.narrow(/*dim=*/0, hidden, 3 * dim);
  } else {
    ASSIGN_OR_RETURN(fc1_bias, weights_.Take(name + ".mlp_bias", {hidden}));
  }
  ViTBlock block;
  block.mlp.fc1 = Linear(weights_.target(), in.weight.narrow(/*dim=*/0, 0, hidden), fc1_bias,
                         weights_.kernels());
  block.attention.qkv = Linear(weights_.target(), in.weight.narrow(/*dim=*/0, hidden, 3 * dim),
                               qkv_bias, weights_.kernels());
  ASSIGN_OR_RETURN(block.norm1, TakeNormIf(true, name + ".in_norm", dim));
  ViTAttention& attention = block.attention;
  ASSIGN_OR_RETURN(attention.q_norm, TakeNormIf(options_.qk_norm, name + ".q_norm", head_dim));
  ASSIGN_OR_RETURN(attention.k_norm, TakeNormIf(options_.qk_norm, name + ".k_norm", head_dim));
  const std::string scale = name + ".ls.gamma";
  ASSIGN_OR_RETURN(attention.proj, TakeScaledLinear(name + ".attn_out_proj", dim, scale));
  ASSIGN_OR_RETURN(block.mlp.fc2, TakeScaledLinear(name + ".mlp_out_proj", hidden, scale));
  return block;
}

absl::StatusOr<ViTBlock> ViTTaker::TakeBlock(const std::string& name) {
  if (options_.parallel) return TakeParallelBlock(name);
  ViTBlock block;
  ASSIGN_OR_RETURN(Norm norm1, TakeNormIf(true, name + ".norm1", shape_.dim));
  ASSIGN_OR_RETURN(Norm norm2, TakeNormIf(true, name + ".norm2", shape_.dim));
  (options_.post_norm ? block.post_norm1 : block.norm1) = std::move(norm1);
  (options_.post_norm ? block.post_norm2 : block.norm2) = std::move(norm2);
  ASSIGN_OR_RETURN(block.attention, TakeAttention(name));
  ASSIGN_OR_RETURN(block.mlp, TakeMlp(name));
  return block;
}

absl::StatusOr<ViTAttentionPool> ViTTaker::TakeAttentionPool() {
  ViTAttentionPool pool;
  const int64_t dim = shape_.dim, heads = options_.num_heads;
  ASSIGN_OR_RETURN(const at::Tensor latent, weights_.Take("attn_pool.latent", {1, 1, dim}));
  ASSIGN_OR_RETURN(const at::Tensor q, weights_.Take("attn_pool.q.weight", {dim, dim}));
  ASSIGN_OR_RETURN(const at::Tensor q_bias, weights_.Take("attn_pool.q.bias", {dim}));
  pool.query = weights_.Place(at::linear(latent, q, q_bias).view({1, heads, 1, dim / heads}));
  ASSIGN_OR_RETURN(pool.kv, TakeLinear(weights_, "attn_pool.kv", dim, 2 * dim));
  ASSIGN_OR_RETURN(pool.proj, TakeLinear(weights_, "attn_pool.proj", dim, dim));
  ASSIGN_OR_RETURN(pool.norm, TakeNormIf(true, "attn_pool.norm", dim));
  ASSIGN_OR_RETURN(const auto fc1, weights_.ShapeOf("attn_pool.mlp.fc1.weight", 2));
  ASSIGN_OR_RETURN(pool.mlp.fc1, TakeLinear(weights_, "attn_pool.mlp.fc1", dim, fc1[0]));
  ASSIGN_OR_RETURN(pool.mlp.fc2, TakeLinear(weights_, "attn_pool.mlp.fc2", fc1[0], dim));
  return pool;
}

absl::Status ViTTaker::TakeHeads(ViTWeights& w) {
  const int64_t dim = shape_.dim, classes = config_.num_classes();
  const Pool pool = options_.pool;
  const bool by_default = pool == Pool::kAvg || pool == Pool::kMax || pool == Pool::kAvgMax;
  const bool after_pool = options_.fc_norm.value_or(by_default);
  ASSIGN_OR_RETURN(w.norm, TakeNormIf(options_.final_norm && !after_pool, "norm", dim));
  ASSIGN_OR_RETURN(w.fc_norm, TakeNormIf(options_.final_norm && after_pool, "fc_norm", dim));
  if (pool == Pool::kMap) {
    ASSIGN_OR_RETURN(w.attention_pool, TakeAttentionPool());
  }
  ASSIGN_OR_RETURN(w.head, TakeHead(weights_, "head", dim, classes));
  if (options_.distilled) {
    ASSIGN_OR_RETURN(w.head_dist, TakeHead(weights_, "head_dist", dim, classes));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ViTWeights> TakeViT(Weights& weights, const ModelConfig& config) {
  ASSIGN_OR_RETURN(const ViTShape shape, ShapeOf(weights, config.vit));
  RETURN_IF_ERROR(CheckModelArgs(config, shape));
  ViTWeights w{.options = config.vit, .activation = config.activation};
  ViTTaker taker(weights, config, shape);
  RETURN_IF_ERROR(taker.TakePatches(w));
  RETURN_IF_ERROR(taker.TakeTokens(w));
  for (int64_t i = 0; i < shape.depth; ++i) {
    ASSIGN_OR_RETURN(w.blocks.emplace_back(), taker.TakeBlock(absl::StrCat("blocks.", i)));
  }
  RETURN_IF_ERROR(taker.TakeHeads(w));
  return w;
}

}  // namespace patchserve
