#include "server/model/model_args.h"

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/base/status.h"
#include "server/model/vit_args.h"

namespace patchserve {
namespace {

using nlohmann::json;

// Without effect on answers: dropout, training's starting weights, a name.
const std::set<std::string>& Ignored() {
  static const std::set<std::string> kKeys = {
      "drop_rate",      "pos_drop_rate", "patch_drop_rate", "proj_drop_rate", "attn_drop_rate",
      "drop_path_rate", "weight_init",   "fix_init",        "nlhb",
  };
  return kKeys;
}

// The options of timm's networks of a family.
struct Options {
  std::set<std::string> read;         // one by one below
  std::map<std::string, json> fixed;  // that have one supported value
};

const Options& OptionsOf(Family family) {
  static const Options kConvMixer = {
      .read = {"num_classes", "dim", "depth", "patch_size", "kernel_size", "act_layer"},
      .fixed = {{"in_chans", 3}, {"global_pool", "avg"}}};
  static const Options kViT = {.read = {"num_classes", "embed_dim", "depth", "patch_size",
                                        "mlp_ratio", "img_size", "act_layer", "dynamic_img_size"},
                               .fixed = {{"in_chans", 3},
                                         {"pos_embed", "learn"},
                                         {"dynamic_img_pad", false},
                                         {"attn_layer", "attn"}}};
  static const Options kMixer = {
      .read = {"num_classes", "embed_dim", "num_blocks", "patch_size", "mlp_ratio", "img_size"},
      .fixed = {{"in_chans", 3}, {"global_pool", "avg"}, {"stem_norm", false}}};
  switch (family) {
    case Family::kConvMixer:
      return kConvMixer;
    case Family::kMixer:
      return kMixer;
    case Family::kViT:
      break;
  }
  return kViT;
}

absl::Status CheckKeys(const JsonFields& fields, Family family) {
  const Options& options = OptionsOf(family);
  for (const auto& [key, value] : fields.object().items()) {
    if (value.is_null() || Ignored().contains(key) || options.read.contains(key)) continue;
    if (family == Family::kViT && IsViTArg(key)) continue;
    const auto fixed = options.fixed.find(key);
    if (fixed == options.fixed.end()) return fields.Unexpected(key, "no such field");
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

// A side or, as timm takes it too, a square's two.
absl::Status ReadPatchSize(const JsonFields& fields, std::optional<int>& size) {
  constexpr int kMaxPatch = 1024;
  const json* value = fields.Find("patch_size");
  if (value == nullptr) return absl::OkStatus();
  const bool square = value->is_array() && value->size() == 2 && (*value)[0] == (*value)[1];
  const json& side = square ? (*value)[0] : *value;
  if (!IsIntegerIn(side, 1, kMaxPatch)) {
    return fields.Unexpected("patch_size", absl::StrCat("a side from 1 to ", kMaxPatch,
                                                        ", or a list of the same one twice"));
  }
  size = side.get<int>();
  return absl::OkStatus();
}

// One ratio for both MLPs of a block, or a list of two.
absl::Status ReadMlpRatios(const JsonFields& fields, std::optional<std::array<double, 2>>& ratios) {
  const json* value = fields.Find("mlp_ratio");
  if (value == nullptr) return absl::OkStatus();
  const json both = value->is_array() ? *value : json::array({*value, *value});
  const auto is_ratio = [](const json& x) {
    return x.is_number() && x.get<double>() > 0 && x.get<double>() <= 1000;
  };
  if (both.size() != 2 || !is_ratio(both[0]) || !is_ratio(both[1])) {
    return fields.Unexpected("mlp_ratio", "a number above 0 and up to 1000, or a list of two");
  }
  ratios = {both[0].get<double>(), both[1].get<double>()};
  return absl::OkStatus();
}

// A side or [height, width].
absl::Status ReadImageSize(const JsonFields& fields, std::optional<std::array<int, 2>>& size) {
  const json* value = fields.Find("img_size");
  if (value == nullptr) return absl::OkStatus();
  const json sides = value->is_array() ? *value : json::array({*value, *value});
  if (sides.size() != 2 || !IsIntegerIn(sides[0], 1, kMaxSide) ||
      !IsIntegerIn(sides[1], 1, kMaxSide)) {
    return fields.Unexpected("img_size",
                             absl::StrCat("a side or [height, width], each from 1 to ", kMaxSide));
  }
  size = {sides[0].get<int>(), sides[1].get<int>()};
  return absl::OkStatus();
}

absl::Status ReadActivation(const JsonFields& fields, Activation& activation) {
  if (!fields.object().contains("act_layer")) return absl::OkStatus();
  ASSIGN_OR_RETURN(auto name, fields.String("act_layer"));
  if (name == "swish") name = "silu";  // its other name in timm
  std::vector<std::string> names;
  for (const NamedActivation& one : kActivations) {
    names.emplace_back(one.name);
    if (one.name != name.value_or("gelu")) continue;
    activation = one.value;
    return absl::OkStatus();
  }
  return fields.Unexpected("act_layer", absl::StrCat("one of ", absl::StrJoin(names, ", ")));
}

}  // namespace

absl::StatusOr<ModelArgs> ParseModelArgs(const JsonFields& fields, Architecture& architecture) {
  const Family family = architecture.family;
  RETURN_IF_ERROR(CheckKeys(fields, family));
  ModelArgs args;
  const std::string dim = family == Family::kConvMixer ? "dim" : "embed_dim";
  ASSIGN_OR_RETURN(args.num_classes, fields.Integer("num_classes", 0, kMaxClasses));
  RETURN_IF_ERROR(ReadSize(fields, dim, 65536, args.dim));
  const std::string depth = family == Family::kMixer ? "num_blocks" : "depth";
  RETURN_IF_ERROR(ReadSize(fields, depth, 1000, args.depth));
  RETURN_IF_ERROR(ReadPatchSize(fields, args.patch_size));
  RETURN_IF_ERROR(ReadSize(fields, "kernel_size", 1024, args.kernel_size));
  if (family == Family::kMixer) {
    RETURN_IF_ERROR(ReadMlpRatios(fields, args.mlp_ratios));
  } else {
    ASSIGN_OR_RETURN(args.mlp_ratio, fields.Number("mlp_ratio", 0, 1000));
  }
  RETURN_IF_ERROR(ReadImageSize(fields, args.img_size));
  ASSIGN_OR_RETURN(const auto dynamic, fields.Bool("dynamic_img_size"));
  if (fields.object().contains("dynamic_img_size")) args.dynamic_img_size = dynamic.value_or(false);
  RETURN_IF_ERROR(ReadActivation(fields, architecture.activation));
  if (family == Family::kViT) RETURN_IF_ERROR(ReadViTArgs(fields, architecture.vit));
  return args;
}

}  // namespace patchserve
