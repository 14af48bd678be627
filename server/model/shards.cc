#include "server/model/shards.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/base/quote.h"
#include "server/base/status.h"
#include "server/model/json.h"

namespace patchserve {
namespace {

constexpr size_t kMostShards = 1000;
constexpr size_t kLongestName = 200;  // bytes; file systems take 255

bool IsShardName(const std::string& name) {
  return absl::EndsWith(name, ".safetensors") && name.size() <= kLongestName && name[0] != '.' &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-';
         });
}

}  // namespace

absl::StatusOr<Shards> ParseShardsIndex(std::string_view text) {
  ASSIGN_OR_RETURN(const nlohmann::json root, ParseJsonObject(text));
  const JsonFields fields(root, "");
  ASSIGN_OR_RETURN(const auto map, fields.Object("weight_map"));
  if (!map || map->object().empty()) {
    return absl::InvalidArgumentError("weight_map is missing or empty");
  }
  Shards shards;
  for (const auto& [tensor, file] : map->object().items()) {
    if (!file.is_string() || !IsShardName(file.get<std::string>())) {
      return absl::InvalidArgumentError(
          absl::StrCat("weight_map has ", Quote(file.dump(-1, ' ', /*ensure_ascii=*/true)),
                       ", expected the name of a .safetensors file in the same folder"));
    }
    shards[file.get<std::string>()].insert(tensor);
    if (shards.size() > kMostShards) {
      return absl::InvalidArgumentError(
          absl::StrCat("weight_map has more than ", kMostShards, " files"));
    }
  }
  return shards;
}

}  // namespace patchserve
