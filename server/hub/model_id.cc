#include "server/hub/model_id.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "server/base/quote.h"

namespace patchserve {
namespace {

constexpr char kScheme[] = "hf://";
constexpr size_t kLongestRepository = 96;  // the hub's own limit
constexpr size_t kLongestRevision = 200;

bool AllIn(absl::string_view text, absl::string_view more) {
  return std::all_of(text.begin(), text.end(), [more](unsigned char c) {
    return absl::ascii_isalnum(c) || absl::StrContains(more, static_cast<char>(c));
  });
}

// huggingface_hub's rules (utils/_validators.py).
bool IsNamePart(absl::string_view part) {
  return !part.empty() && AllIn(part, "._-") && !absl::StrContains(".-", part.front()) &&
         !absl::StrContains(".-", part.back()) && !absl::StrContains(part, "--") &&
         !absl::StrContains(part, "..");
}

bool IsRepository(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '/');
  return parts.size() == 2 && text.size() <= kLongestRepository && IsNamePart(parts[0]) &&
         IsNamePart(parts[1]) && !absl::EndsWith(text, ".git");
}

// What `git check-ref-format` allows of the characters that are taken here.
bool IsRevision(absl::string_view text) {
  if (text.size() > kLongestRevision || absl::StrContains(text, "..")) return false;
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '/');
  return std::all_of(parts.begin(), parts.end(), [](absl::string_view part) {
    return !part.empty() && AllIn(part, "._+-") && part.front() != '.' && part.front() != '-' &&
           part.back() != '.' && !absl::EndsWith(part, ".lock");
  });
}

}  // namespace

std::string HubModelId::name() const { return repository.substr(repository.find('/') + 1); }

std::string HubModelId::text() const { return absl::StrCat(repository, "@", revision); }

bool IsHubModel(absl::string_view text) { return absl::StartsWith(text, kScheme); }

absl::StatusOr<HubModelId> ParseHubModelId(absl::string_view text) {
  absl::string_view rest = absl::StripPrefix(text, kScheme);
  HubModelId id;
  if (const size_t at = rest.find('@'); at != rest.npos) {
    id.revision = std::string(rest.substr(at + 1));
    rest = rest.substr(0, at);
  }
  id.repository = std::string(rest);
  if (IsHubModel(text) && IsRepository(id.repository) && IsRevision(id.revision)) return id;
  return absl::InvalidArgumentError(
      absl::StrCat(Quote(text),
                   " is not a model of a hub: expected hf://ORG/NAME or hf://ORG/NAME@REVISION, "
                   "such as hf://timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k"));
}

bool IsCommit(absl::string_view text) {
  return text.size() == 40 && std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return absl::ascii_isxdigit(c) && !absl::ascii_isupper(c);
         });
}

}  // namespace patchserve
