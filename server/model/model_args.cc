#include "server/model/model_args.h"

#include <map>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/base/status.h"

namespace patchserve {
namespace {

using nlohmann::json;

// Without effect on answers: dropout, training's starting weights, a name.
const std::set<std::string>& Ignored() {
  static const std::set<std::string> kKeys = {
      "drop_rate",      "pos_drop_rate",  "patch_drop_rate", "proj_drop_rate",
      "attn_drop_rate", "drop_path_rate", "weight_init",     "fix_init",
  };
  return kKeys;
}

// Options of timm's networks that have one supported value.
const std::map<std::string, json>& Fixed(Family family) {
  static const std::map<std::string, json> kConvMixer = {{"in_chans", 3}, {"global_pool", "avg"}};
  static const std::map<std::string, json> kViT = {
      {"in_chans", 3},
      {"global_pool", "token"},
      {"qkv_bias", true},
      {"qk_norm", false},
      {"scale_attn_norm", false},
      {"scale_mlp_norm", false},
      {"proj_bias", true},
      {"class_token", true},
      {"pos_embed", "learn"},
      {"no_embed_class", false},
      {"reg_tokens", 0},
      {"pre_norm", false},
      {"final_norm", true},
      {"fc_norm", false},
      {"pool_include_prefix", false},
      {"dynamic_img_size", false},
      {"dynamic_img_pad", false},
  };
  return family == Family::kConvMixer ? kConvMixer : kViT;
}

// Read one by one below.
const std::set<std::string>& Read(Family family) {
  static const std::set<std::string> kConvMixer = {"num_classes", "dim",         "depth",
                                                   "patch_size",  "kernel_size", "act_layer"};
  static const std::set<std::string> kViT = {"num_classes", "embed_dim", "depth",    "patch_size",
                                             "num_heads",   "mlp_ratio", "img_size", "act_layer"};
  return family == Family::kConvMixer ? kConvMixer : kViT;
}

absl::Status CheckKeys(const JsonFields& fields, Family family) {
  for (const auto& [key, value] : fields.object().items()) {
    if (value.is_null() || Ignored().contains(key) || Read(family).contains(key)) continue;
    const auto fixed = Fixed(family).find(key);
    if (fixed == Fixed(family).end()) return fields.Unexpected(key, "no such field");
    if (value != fixed->second) {
      return fields.Unexpected(key,
                               absl::StrCat(fixed->second.dump(), ": no other value is supported"));
    }
  }
  return absl::OkStatus();
}

absl::Status ReadSize(const JsonFields& fields, const std::string& key, int high,
                      std::optional<int>& size) {
  ASSIGN_OR_RETURN(size, fields.Integer(key, 1, high));
  return absl::OkStatus();
}

// A side or [height, width].
absl::Status ReadImageSize(const JsonFields& fields, std::optional<std::array<int, 2>>& size) {
  constexpr int kMaxSide = 4096;
  const json* value = fields.Find("img_size");
  if (value == nullptr) return absl::OkStatus();
  const json sides = value->is_array() ? *value : json::array({*value, *value});
  const auto is_side = [](const json& side) {
    return side.is_number_unsigned() && side.get<uint64_t>() >= 1 &&
           side.get<uint64_t>() <= kMaxSide;
  };
  if (sides.size() != 2 || !is_side(sides[0]) || !is_side(sides[1])) {
    return fields.Unexpected("img_size", "a side or [height, width], each from 1 to 4096");
  }
  size = {sides[0].get<int>(), sides[1].get<int>()};
  return absl::OkStatus();
}

absl::Status ReadActivation(const JsonFields& fields, std::optional<Activation>& activation) {
  ASSIGN_OR_RETURN(const auto name, fields.String("act_layer"));
  if (!name) return absl::OkStatus();
  if (*name != "gelu" && *name != "relu") return fields.Unexpected("act_layer", "gelu or relu");
  activation = *name == "gelu" ? Activation::kGelu : Activation::kRelu;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ModelArgs> ParseModelArgs(const JsonFields& fields, Family family) {
  RETURN_IF_ERROR(CheckKeys(fields, family));
  ModelArgs args;
  const std::string dim = family == Family::kConvMixer ? "dim" : "embed_dim";
  RETURN_IF_ERROR(ReadSize(fields, "num_classes", 100'000, args.num_classes));
  RETURN_IF_ERROR(ReadSize(fields, dim, 65536, args.dim));
  RETURN_IF_ERROR(ReadSize(fields, "depth", 1000, args.depth));
  RETURN_IF_ERROR(ReadSize(fields, "patch_size", 1024, args.patch_size));
  RETURN_IF_ERROR(ReadSize(fields, "kernel_size", 1024, args.kernel_size));
  RETURN_IF_ERROR(ReadSize(fields, "num_heads", 1024, args.num_heads));
  ASSIGN_OR_RETURN(args.mlp_ratio, fields.Number("mlp_ratio", 0, 1000));
  RETURN_IF_ERROR(ReadImageSize(fields, args.img_size));
  RETURN_IF_ERROR(ReadActivation(fields, args.activation));
  return args;
}

}  // namespace patchserve
