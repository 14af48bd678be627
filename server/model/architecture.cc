#include "server/model/architecture.h"

#include <map>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace patchserve {
namespace {

int HeadsOf(const std::string& size) {
  static const std::map<std::string, int> kHeads = {
      {"tiny", 3},   {"small", 6}, {"medium", 8}, {"base", 12},
      {"large", 16}, {"huge", 16}, {"giant", 16}, {"gigantic", 16},
  };
  const auto found = kHeads.find(size);
  return found == kHeads.end() ? 0 : found->second;
}

// vit_SIZE_patchP_S or deit_SIZE_patchP_S. More words in a name mean another network:
// "clip" has another epsilon, "distilled" two heads, "reg4" more tokens, "gap" no class
// token; and so do digits in SIZE ("so400m").
bool IsPlainViT(const std::vector<std::string>& words) {
  if (words.size() != 4 || (words[0] != "vit" && words[0] != "deit")) return false;
  absl::string_view patch = words[2];
  int number;
  return !words[1].empty() && words[1].find_first_of("0123456789") == std::string::npos &&
         absl::ConsumePrefix(&patch, "patch") && absl::SimpleAtoi(patch, &number) &&
         absl::SimpleAtoi(words[3], &number);
}

}  // namespace

absl::StatusOr<Architecture> LookUpArchitecture(const std::string& name) {
  const std::vector<std::string> words = absl::StrSplit(name, '_');
  if (IsPlainViT(words)) {
    return Architecture{Family::kViT, Activation::kGelu, HeadsOf(words[1])};
  }
  if (absl::StartsWith(name, "convmixer_")) {
    return Architecture{Family::kConvMixer,
                        name == "convmixer_768_32" ? Activation::kRelu : Activation::kGelu};
  }
  return absl::InvalidArgumentError(
      absl::StrCat("architecture is \"", name.substr(0, 100),
                   "\"; supported are convmixer_* and the plain vision transformers "
                   "vit_SIZE_patchP_S and deit_SIZE_patchP_S, such as vit_base_patch16_224"));
}

}  // namespace patchserve
