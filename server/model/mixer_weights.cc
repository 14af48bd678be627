#include <ATen/TensorOperators.h>
#include <ATen/ops/mv.h>

#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/base/status.h"
#include "server/model/mixer.h"

namespace patchserve {
namespace {

// Sizes that the tensors show.
struct MixerShape {
  int64_t dim = 0;      // C
  int64_t patches = 0;  // T
  int64_t patch = 0;
  int64_t depth = 0;
};

// The layer that mixes the patches, which each kind has: its columns are T.
const char* TokensLayer(MixerKind kind) {
  switch (kind) {
    case MixerKind::kMixer:
    case MixerKind::kGluMixer:
      return ".mlp_tokens.fc1";
    case MixerKind::kResMlp:
      return ".linear_tokens";
    case MixerKind::kGmlp:
      return ".mlp_channels.gate.proj";
  }
  return "";
}

absl::StatusOr<MixerShape> ShapeOf(const Weights& weights, MixerKind kind) {
  const auto tokens_of = [&](int64_t block) {
    return absl::StrCat("blocks.", block, TokensLayer(kind), ".weight");
  };
  ASSIGN_OR_RETURN(const auto stem, weights.ShapeOf("stem.proj.weight", 4));
  ASSIGN_OR_RETURN(const auto tokens, weights.ShapeOf(tokens_of(0), 2));
  int64_t depth = 1;
  while (weights.Has(tokens_of(depth))) ++depth;
  return MixerShape{.dim = stem[0], .patches = tokens[1], .patch = stem[2], .depth = depth};
}

absl::Status CheckModelArgs(const ModelConfig& config, const MixerShape& shape) {
  const ModelArgs& args = config.model_args;
  RETURN_IF_ERROR(CheckModelArg("embed_dim", args.dim, shape.dim));
  RETURN_IF_ERROR(CheckModelArg("num_blocks", args.depth, shape.depth));
  RETURN_IF_ERROR(CheckModelArg("patch_size", args.patch_size, shape.patch));
  const Preprocessing& input = config.preprocessing;
  const int64_t fed = (input.height / shape.patch) * (input.width / shape.patch);
  if (fed == shape.patches) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("input_size ", input.height, "x", input.width, " has ", fed, " patches of ",
                   shape.patch, " pixels a side, the tensors are for ", shape.patches));
}

// Takes the parts of one network.
class MixerTaker {
 public:
  MixerTaker(Weights& weights, const ModelConfig& config, const MixerShape& shape)
      : weights_(weights), config_(config), shape_(shape) {}

  absl::Status TakeBlock(const std::string& name, MixerWeights& w) {
    switch (config_.mixer) {
      case MixerKind::kMixer:
      case MixerKind::kGluMixer: {
        ASSIGN_OR_RETURN(w.blocks.emplace_back(), TakeMixerBlock(name));
        return absl::OkStatus();
      }
      case MixerKind::kResMlp: {
        ASSIGN_OR_RETURN(w.blocks.emplace_back(), TakeResMlpBlock(name));
        return absl::OkStatus();
      }
      case MixerKind::kGmlp: {
        ASSIGN_OR_RETURN(w.blocks.emplace_back(), TakeGmlpBlock(name));
        return absl::OkStatus();
      }
    }
    return absl::OkStatus();
  }

  absl::Status TakeLastNorm(MixerWeights& w) {
    if (config_.mixer != MixerKind::kResMlp) {
      ASSIGN_OR_RETURN(w.norm, TakeNorm(weights_, "norm", shape_.dim));
      return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(const Affine affine, TakeAffine("norm"));
    w.affine = Placed(affine);
    return absl::OkStatus();
  }

 private:
  enum Ratio { kTokens, kChannels };  // of mlp_ratios

  // The rows of an MLP's fc1, which model_args.mlp_ratio may say too.
  absl::StatusOr<int64_t> HiddenOf(const std::string& name, Ratio which) {
    ASSIGN_OR_RETURN(const auto fc1, weights_.ShapeOf(name + ".fc1.weight", 2));
    const auto& ratios = config_.model_args.mlp_ratios;
    if (!ratios || std::floor(shape_.dim * (*ratios)[which]) == fc1[0]) return fc1[0];
    return absl::InvalidArgumentError(absl::StrCat("model_args.mlp_ratio is ", (*ratios)[which],
                                                   " in config.json, tensor ", name,
                                                   ".fc1.weight says ", fc1[0], "/", shape_.dim));
  }

  absl::StatusOr<Mlp> TakeMlp(const std::string& name, int64_t in, Ratio which) {
    ASSIGN_OR_RETURN(const int64_t hidden, HiddenOf(name, which));
    Mlp mlp{.gated = config_.mixer == MixerKind::kGluMixer};
    ASSIGN_OR_RETURN(mlp.fc1, TakeLinear(weights_, name + ".fc1", in, hidden));
    ASSIGN_OR_RETURN(mlp.fc2,
                     TakeLinear(weights_, name + ".fc2", mlp.gated ? hidden / 2 : hidden, in));
    return mlp;
  }

  absl::StatusOr<MixerBlock> TakeMixerBlock(const std::string& name) {
    MixerBlock b;
    ASSIGN_OR_RETURN(b.norm1, TakeNorm(weights_, name + ".norm1", shape_.dim));
    ASSIGN_OR_RETURN(b.tokens, TakeMlp(name + ".mlp_tokens", shape_.patches, kTokens));
    ASSIGN_OR_RETURN(b.norm2, TakeNorm(weights_, name + ".norm2", shape_.dim));
    ASSIGN_OR_RETURN(b.channels, TakeMlp(name + ".mlp_channels", shape_.dim, kChannels));
    return b;
  }

  // float32, on the CPU.
  absl::StatusOr<Affine> TakeAffine(const std::string& name) {
    ASSIGN_OR_RETURN(const at::Tensor alpha, weights_.Take(name + ".alpha", {1, 1, shape_.dim}));
    ASSIGN_OR_RETURN(const at::Tensor beta, weights_.Take(name + ".beta", {1, 1, shape_.dim}));
    return Affine{alpha.view(-1), beta.view(-1)};
  }

  Affine Placed(const Affine& affine) const {
    return {weights_.Place(affine.alpha), weights_.Place(affine.beta)};
  }

  absl::StatusOr<ResMlpBlock> TakeResMlpBlock(const std::string& name) {
    const int64_t dim = shape_.dim, patches = shape_.patches;
    ResMlpBlock b;
    ASSIGN_OR_RETURN(const Affine affine1, TakeAffine(name + ".norm1"));
    b.affine = Placed(affine1);
    ASSIGN_OR_RETURN(b.tokens, TakeLinear(weights_, name + ".linear_tokens", patches, patches));
    ASSIGN_OR_RETURN(const at::Tensor scale1, weights_.Take(name + ".ls1", {dim}));
    b.scale = weights_.Place(scale1);
    ASSIGN_OR_RETURN(const Affine affine2, TakeAffine(name + ".norm2"));
    ASSIGN_OR_RETURN(const at::Tensor scale2, weights_.Take(name + ".ls2", {dim}));
    ASSIGN_OR_RETURN(const int64_t hidden, HiddenOf(name + ".mlp_channels", kChannels));
    ASSIGN_OR_RETURN(const LinearTensors fc1,
                     TakeLinearTensors(weights_, name + ".mlp_channels.fc1", dim, hidden));
    ASSIGN_OR_RETURN(const LinearTensors fc2,
                     TakeLinearTensors(weights_, name + ".mlp_channels.fc2", hidden, dim));
    b.channels.fc1 = Linear(weights_.target(), fc1.weight * affine2.alpha,
                            fc1.bias + at::mv(fc1.weight, affine2.beta), weights_.kernels());
    b.channels.fc2 = Linear(weights_.target(), fc2.weight * scale2.view({-1, 1}), fc2.bias * scale2,
                            weights_.kernels());
    return b;
  }

  absl::StatusOr<GmlpBlock> TakeGmlpBlock(const std::string& name) {
    const std::string mlp = name + ".mlp_channels";
    const int64_t dim = shape_.dim, patches = shape_.patches;
    ASSIGN_OR_RETURN(const int64_t rows, HiddenOf(mlp, kChannels));
    GmlpBlock b;
    ASSIGN_OR_RETURN(b.norm, TakeNorm(weights_, name + ".norm", dim));
    ASSIGN_OR_RETURN(b.fc1, TakeLinear(weights_, mlp + ".fc1", dim, rows));
    ASSIGN_OR_RETURN(b.gate_norm, TakeNorm(weights_, mlp + ".gate.norm", rows / 2, NormKind::kLayer,
                                           /*epsilon=*/1e-5));
    ASSIGN_OR_RETURN(b.gate, TakeLinear(weights_, mlp + ".gate.proj", patches, patches));
    ASSIGN_OR_RETURN(b.fc2, TakeLinear(weights_, mlp + ".fc2", rows / 2, dim));
    return b;
  }

  Weights& weights_;
  const ModelConfig& config_;
  const MixerShape& shape_;
};

}  // namespace

absl::StatusOr<MixerWeights> TakeMixer(Weights& weights, const ModelConfig& config) {
  ASSIGN_OR_RETURN(const MixerShape shape, ShapeOf(weights, config.mixer));
  RETURN_IF_ERROR(CheckModelArgs(config, shape));
  MixerWeights w{.activation = config.activation};
  ASSIGN_OR_RETURN(w.stem, TakePatchEmbedding(weights, "stem.proj", shape.dim, shape.patch));
  MixerTaker taker(weights, config, shape);
  for (int64_t i = 0; i < shape.depth; ++i) {
    RETURN_IF_ERROR(taker.TakeBlock(absl::StrCat("blocks.", i), w));
  }
  RETURN_IF_ERROR(taker.TakeLastNorm(w));
  ASSIGN_OR_RETURN(w.head, TakeHead(weights, "head", shape.dim, config.num_classes()));
  return w;
}

}  // namespace patchserve
