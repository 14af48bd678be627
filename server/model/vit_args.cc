#include "server/model/vit_args.h"

#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/str_replace.h"
#include "server/base/status.h"

namespace patchserve {
namespace {

const std::map<std::string, bool ViTOptions::*>& Switches() {
  static const std::map<std::string, bool ViTOptions::*> kSwitches = {
      {"class_token", &ViTOptions::class_token},
      {"no_embed_class", &ViTOptions::no_embed_class},
      {"pre_norm", &ViTOptions::pre_norm},
      {"qkv_bias", &ViTOptions::qkv_bias},
      {"qk_norm", &ViTOptions::qk_norm},
      {"proj_bias", &ViTOptions::proj_bias},
      {"scale_attn_norm", &ViTOptions::scale_attn_norm},
      {"scale_mlp_norm", &ViTOptions::scale_mlp_norm},
      {"final_norm", &ViTOptions::final_norm},
      {"pool_include_prefix", &ViTOptions::pool_include_prefix},
  };
  return kSwitches;
}

// timm/layers/create_norm.py; a norm that is named has timm's usual epsilon, whatever
// the architecture's is.
absl::Status ReadNorm(const JsonFields& fields, ViTOptions& options) {
  if (!fields.object().contains("norm_layer")) return absl::OkStatus();
  ASSIGN_OR_RETURN(const auto given, fields.String("norm_layer"));
  const std::string name =
      absl::AsciiStrToLower(absl::StrReplaceAll(given.value_or("layernorm"), {{"_", ""}}));
  if (name != "layernorm" && name != "rmsnorm") {
    return fields.Unexpected("norm_layer", "layernorm or rmsnorm");
  }
  options.rms_norm = name == "rmsnorm";
  options.norm_epsilon = ViTOptions().norm_epsilon;
  return absl::OkStatus();
}

// The value that training starts with: only whether there is a scale matters. timm takes
// both null and 0 for none.
absl::Status ReadLayerScale(const JsonFields& fields, ViTOptions& options) {
  if (!fields.object().contains("init_values")) return absl::OkStatus();
  const nlohmann::json& value = fields.object()["init_values"];
  if (!value.is_null() && !value.is_number()) {
    return fields.Unexpected("init_values", "a number or null");
  }
  options.layer_scale = !value.is_null() && value != 0;
  return absl::OkStatus();
}

}  // namespace

bool IsViTArg(const std::string& key) {
  return Switches().contains(key) || key == "num_heads" || key == "reg_tokens" ||
         key == "norm_layer" || key == "init_values" || key == "fc_norm" || key == "global_pool";
}

absl::StatusOr<bool> ReadViTPool(const JsonFields& fields, Pool& pool) {
  static const std::map<std::string, Pool> kPools = {{"token", Pool::kToken},
                                                     {"avg", Pool::kAvg},
                                                     {"max", Pool::kMax},
                                                     {"avgmax", Pool::kAvgMax},
                                                     {"map", Pool::kMap}};
  ASSIGN_OR_RETURN(const auto name, fields.String("global_pool"));
  if (!name) return false;
  const auto found = kPools.find(*name);
  if (found == kPools.end()) {
    return fields.Unexpected("global_pool", "token, avg, max, avgmax or map");
  }
  pool = found->second;
  return true;
}

absl::Status ReadViTArgs(const JsonFields& fields, ViTOptions& options) {
  for (const auto& [key, option] : Switches()) {
    ASSIGN_OR_RETURN(const auto given, fields.Bool(key));
    if (fields.object().contains(key)) options.*option = given.value_or(false);
  }
  ASSIGN_OR_RETURN(const auto heads, fields.Integer("num_heads", 1, 1024));
  ASSIGN_OR_RETURN(const auto reg_tokens, fields.Integer("reg_tokens", 0, 1024));
  options.num_heads = static_cast<int>(heads.value_or(options.num_heads));
  options.reg_tokens = static_cast<int>(reg_tokens.value_or(options.reg_tokens));
  ASSIGN_OR_RETURN(const auto fc_norm, fields.Bool("fc_norm"));
  if (fields.object().contains("fc_norm")) options.fc_norm = fc_norm;
  RETURN_IF_ERROR(ReadNorm(fields, options));
  RETURN_IF_ERROR(ReadLayerScale(fields, options));
  return ReadViTPool(fields, options.pool).status();
}

}  // namespace patchserve
