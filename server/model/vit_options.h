// What timm's VisionTransformer is built with: the arguments of its constructor that
// change the network (timm/models/vision_transformer.py), with its defaults. Sizes
// aren't here: the tensors show them.
#pragma once

#include <optional>

namespace patchserve {

// What becomes of the tokens in the end: the class token, the patches' mean or maximum
// or half of both, or one more attention that a learned query makes ("map").
enum class Pool { kToken, kAvg, kMax, kAvgMax, kMap };

// How timm brings the position embedding of one picture size to another.
enum class PositionResize { kBicubicAntialias, kBilinear, kBilinearAlignCorners };

struct ViTOptions {
  int num_heads = 0;
  double norm_epsilon = 1e-6;
  bool rms_norm = false;  // RMSNorm (arXiv 1910.07467) instead of LayerNorm
  PositionResize position_resize = PositionResize::kBicubicAntialias;

  bool class_token = true;
  bool distilled = false;       // a distillation token and head beside the class's
  int reg_tokens = 0;           // registers (arXiv 2309.16588)
  bool no_embed_class = false;  // positions for the patches only
  bool embed_norm = false;      // an RMSNorm for each patch
  bool pre_norm = false;        // a norm before the first block; patches have no bias then

  bool parallel = false;   // attention and MLP of a block stand side by side (arXiv 2302.05442)
  bool post_norm = false;  // the blocks norm what their parts give, not what they take
  bool qkv_bias = true;
  bool qk_norm = false;
  bool proj_bias = true;  // also of the MLPs
  bool scale_attn_norm = false;
  bool scale_mlp_norm = false;
  bool layer_scale = false;
  bool swiglu = false;      // gated MLPs (arXiv 2002.05202), as fc1_g and fc1_x
  bool packed_glu = false;  // the same with both in fc1

  bool final_norm = true;
  Pool pool = Pool::kToken;
  bool pool_include_prefix = false;  // pools other than kToken see all tokens
  std::optional<bool> fc_norm;       // the norm comes after the pool; absent: with avg and max
};

}  // namespace patchserve
