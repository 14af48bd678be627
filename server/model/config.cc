#include "server/model/config.h"

#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/status.h"
#include "server/model/json.h"
#include "server/model/labels.h"
#include "server/model/vit_args.h"

namespace patchserve {
namespace {

using nlohmann::json;

absl::Status ReadInputSize(const JsonFields& fields, Preprocessing& how) {
  const json* size = fields.Find("input_size");
  if (size == nullptr) return absl::OkStatus();
  if (!size->is_array() || size->size() != 3 || (*size)[0] != 3 ||
      !IsIntegerIn((*size)[1], 1, kMaxSide) || !IsIntegerIn((*size)[2], 1, kMaxSide)) {
    return fields.Unexpected("input_size",
                             absl::StrCat("[3, height, width] with sides from 1 to ", kMaxSide));
  }
  how.height = (*size)[1].get<int>();
  how.width = (*size)[2].get<int>();
  return absl::OkStatus();
}

absl::Status ReadColors(const JsonFields& fields, const std::string& key, float low,
                        std::array<float, 3>& colors) {
  const json* value = fields.Find(key);
  if (value == nullptr) return absl::OkStatus();
  const std::string expected = absl::StrCat("three numbers above ", low, " and up to 1000");
  if (!value->is_array() || value->size() != 3) return fields.Unexpected(key, expected);
  for (int i = 0; i < 3; ++i) {
    if (!(*value)[i].is_number()) return fields.Unexpected(key, expected);
    colors[i] = (*value)[i].get<float>();
    if (!(colors[i] > low && colors[i] <= 1000)) return fields.Unexpected(key, expected);
  }
  return absl::OkStatus();
}

absl::Status ReadInterpolation(const JsonFields& fields, Interpolation& interpolation) {
  ASSIGN_OR_RETURN(const auto name, fields.String("interpolation"));
  if (!name || *name == "bicubic") {
    interpolation = Interpolation::kBicubic;
  } else if (*name == "bilinear") {
    interpolation = Interpolation::kBilinear;
  } else {
    return fields.Unexpected("interpolation", "bicubic or bilinear");
  }
  return absl::OkStatus();
}

absl::Status ReadCropMode(const JsonFields& fields, CropMode& mode) {
  ASSIGN_OR_RETURN(const auto name, fields.String("crop_mode"));
  if (!name || *name == "center") {
    mode = CropMode::kCenter;
  } else if (*name == "squash") {
    mode = CropMode::kSquash;
  } else if (*name == "border") {
    mode = CropMode::kBorder;
  } else {
    return fields.Unexpected("crop_mode", "center, squash or border");
  }
  return absl::OkStatus();
}

absl::StatusOr<Preprocessing> ParsePreprocessing(const JsonFields& pretrained) {
  Preprocessing how;
  RETURN_IF_ERROR(ReadInputSize(pretrained, how));
  RETURN_IF_ERROR(ReadInterpolation(pretrained, how.interpolation));
  RETURN_IF_ERROR(ReadCropMode(pretrained, how.crop_mode));
  RETURN_IF_ERROR(ReadColors(pretrained, "mean", -1000, how.mean));
  RETURN_IF_ERROR(ReadColors(pretrained, "std", 0, how.std));
  ASSIGN_OR_RETURN(const auto crop_pct, pretrained.Number("crop_pct", 0, 1));
  how.crop_pct = crop_pct.value_or(how.crop_pct);
  // So that no picture's other side, at most 65535 times as long, passes an int.
  constexpr double kLongestResized = 32768;
  if (std::max(how.width, how.height) / how.crop_pct > kLongestResized) {
    return pretrained.Unexpected(
        "crop_pct", absl::StrCat("a share that resizes to at most ", kLongestResized, " pixels"));
  }
  return how;
}

absl::StatusOr<int> ParseNumClasses(const JsonFields& config, const JsonFields& pretrained,
                                    const ModelArgs& args) {
  ASSIGN_OR_RETURN(auto count, config.Integer("num_classes", 0, kMaxClasses));
  if (!count) {
    ASSIGN_OR_RETURN(count, pretrained.Integer("num_classes", 0, kMaxClasses));
  }
  if (!count) count = args.num_classes;
  if (!count) return absl::InvalidArgumentError("num_classes is missing");
  if (args.num_classes && *args.num_classes != *count) {
    return absl::InvalidArgumentError(
        absl::StrCat("num_classes is ", *count, ", model_args.num_classes is ", *args.num_classes));
  }
  return static_cast<int>(*count);
}

// A ViT as the root's global_pool, the architecture's name and model_args say.
absl::Status ReadViT(const JsonFields& config, const JsonFields& args, Architecture& architecture,
                     ModelArgs& model_args) {
  ViTOptions& vit = architecture.vit;
  ASSIGN_OR_RETURN(const bool pool_at_root, ReadViTPool(config, vit.pool));
  const Pool root_pool = vit.pool;
  ASSIGN_OR_RETURN(model_args, ParseModelArgs(args, architecture));
  if (pool_at_root && vit.pool != root_pool) {
    return config.Unexpected("global_pool", "what model_args.global_pool says");
  }
  if (vit.pool == Pool::kToken && !vit.class_token) {
    return absl::InvalidArgumentError("global_pool is \"token\" without a class_token");
  }
  if (vit.distilled && vit.pool != Pool::kToken) {
    return absl::InvalidArgumentError("global_pool of a distilled model is not \"token\"");
  }
  if (vit.distilled && vit.reg_tokens > 0) {  // timm makes a reg_token and doesn't use it
    return absl::InvalidArgumentError(absl::StrCat("model_args.reg_tokens of a distilled model is ",
                                                   vit.reg_tokens, ", expected 0"));
  }
  if (vit.num_heads == 0) {
    return absl::InvalidArgumentError(
        "model_args.num_heads is missing, and the architecture's name is not one of timm's");
  }
  return absl::OkStatus();
}

// A network whose one pool is the average.
absl::Status ReadAveraging(const JsonFields& config, const JsonFields& args,
                           Architecture& architecture, ModelArgs& model_args) {
  ASSIGN_OR_RETURN(const auto pool, config.String("global_pool"));
  if (pool && *pool != "avg") return config.Unexpected("global_pool", "avg");
  ASSIGN_OR_RETURN(model_args, ParseModelArgs(args, architecture));
  return absl::OkStatus();
}

// timm/models/_hub.py, _parse_model_cfg: a network of fixed size is fed what it was
// built for, or built for what it is fed (_builder.py, _update_default_model_kwargs).
absl::Status ApplyImageSize(const JsonFields& pretrained, const Architecture& architecture,
                            ModelConfig& config) {
  ASSIGN_OR_RETURN(const auto stated, pretrained.Bool("fixed_input_size"));
  const ModelArgs& args = config.model_args;
  const bool fixed = stated.value_or(false) && !args.dynamic_img_size.value_or(false);
  Preprocessing& input = config.preprocessing;
  if (args.img_size && fixed) {
    input.height = (*args.img_size)[0];
    input.width = (*args.img_size)[1];
  }
  using Size = std::array<int, 2>;
  const Size fed = {input.height, input.width};
  config.trained_size = args.img_size.value_or(fed);
  config.built_size = fed;
  if (args.dynamic_img_size.value_or(architecture.dynamic_img_size) && !fixed) {
    config.built_size = args.img_size.value_or(Size{architecture.img_size, architecture.img_size});
  }
  return absl::OkStatus();
}

// Folders of other libraries have a config.json too.
absl::Status NoArchitecture(const json& root) {
  constexpr std::pair<const char*, const char*> kMakers[] = {
      {"model_type", "transformers"}, {"architectures", "transformers"}, {"model_cfg", "OpenCLIP"},
      {"_class_name", "diffusers"},   {"keras_version", "Keras"},        {"class_name", "Keras"},
  };
  for (const auto& [key, maker] : kMakers) {
    if (!root.contains(key)) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "architecture is missing and ", key, " is there: a folder of ", maker, ", not of timm"));
  }
  return absl::InvalidArgumentError("architecture is missing");
}

}  // namespace

absl::StatusOr<ModelConfig> ParseModelConfig(std::string_view text) {
  ASSIGN_OR_RETURN(const json root, ParseJsonObject(QuoteNonFinite(text)));
  const JsonFields fields(root, "");
  ASSIGN_OR_RETURN(const auto nested, fields.Object("pretrained_cfg"));
  const JsonFields pretrained = nested.value_or(fields);
  const json none = json::object();
  ASSIGN_OR_RETURN(const auto model_args, fields.Object("model_args"));

  ModelConfig config;
  ASSIGN_OR_RETURN(auto name, fields.String("architecture"));
  if (!name) return NoArchitecture(root);
  config.architecture = *std::move(name);
  ASSIGN_OR_RETURN(Architecture architecture, LookUpArchitecture(config.architecture));
  config.family = architecture.family;
  const auto& read = config.family == Family::kViT ? ReadViT : ReadAveraging;
  RETURN_IF_ERROR(
      read(fields, model_args.value_or(JsonFields(none, "")), architecture, config.model_args));
  config.activation = architecture.activation;
  config.mixer = architecture.mixer;
  config.vit = architecture.vit;

  ASSIGN_OR_RETURN(const int num_classes, ParseNumClasses(fields, pretrained, config.model_args));
  ASSIGN_OR_RETURN(config.classes, ParseLabels(fields, pretrained, num_classes));
  ASSIGN_OR_RETURN(config.preprocessing, ParsePreprocessing(pretrained));
  RETURN_IF_ERROR(ApplyImageSize(pretrained, architecture, config));
  return config;
}

}  // namespace patchserve
