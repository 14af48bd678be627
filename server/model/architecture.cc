#include "server/model/architecture.h"

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "server/model/vit_architectures.h"

namespace patchserve {
namespace {

// More words in a name than these four mean another network, and so do digits in SIZE:
// one that the table doesn't have may have another epsilon, or two heads.
bool IsPlainViT(const std::string& name) {
  const std::vector<std::string> words = absl::StrSplit(name, '_');
  if (words.size() != 4 || (words[0] != "vit" && words[0] != "deit")) return false;
  absl::string_view patch = words[2];
  int number;
  return !words[1].empty() && words[1].find_first_of("0123456789") == std::string::npos &&
         absl::ConsumePrefix(&patch, "patch") && absl::SimpleAtoi(patch, &number) &&
         absl::SimpleAtoi(words[3], &number);
}

Architecture Mixer(MixerKind kind, Activation activation = Activation::kGelu) {
  return {.family = Family::kMixer, .activation = activation, .mixer = kind};
}

}  // namespace

absl::StatusOr<Architecture> LookUpArchitecture(const std::string& name) {
  if (absl::StartsWith(name, "convmixer_")) {
    return Architecture{Family::kConvMixer,
                        name == "convmixer_768_32" ? Activation::kRelu : Activation::kGelu};
  }
  if (absl::StartsWith(name, "mixer_")) return Mixer(MixerKind::kMixer);
  if (absl::StartsWith(name, "gmixer_")) return Mixer(MixerKind::kGluMixer, Activation::kSilu);
  if (absl::StartsWith(name, "resmlp_")) return Mixer(MixerKind::kResMlp);
  if (absl::StartsWith(name, "gmlp_")) return Mixer(MixerKind::kGmlp);
  const auto found = ViTArchitectures().find(name);
  if (found == ViTArchitectures().end()) {
    if (IsPlainViT(name)) return Architecture{Family::kViT};
    return absl::InvalidArgumentError(absl::StrCat(
        "architecture is \"", name.substr(0, 100),
        "\"; supported are convmixer_*, mixer_*, gmixer_*, resmlp_*, gmlp_* and the vision "
        "transformers of timm 1.0.31's vision_transformer.py and deit.py, such as "
        "vit_base_patch16_224"));
  }
  const ViTArchitecture& vit = found->second;
  if (vit.unsupported != nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("architecture ", name, " is built with ",
                                                   vit.unsupported, ", which isn't supported"));
  }
  return Architecture{.family = Family::kViT,
                      .activation = vit.activation,
                      .vit = vit.options,
                      .img_size = vit.img_size,
                      .dynamic_img_size = vit.dynamic_img_size};
}

}  // namespace patchserve
