// model.safetensors.index.json: which tensor of a checkpoint lies in which of its files, as
// huggingface_hub writes it where the weights are in several.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace patchserve {

inline constexpr char kShardsIndex[] = "model.safetensors.index.json";

// By the shard's file name: the names of the tensors in it.
using Shards = std::map<std::string, std::set<std::string>>;

// A shard's name is that of a file in the same folder: letters, digits, '.', '_' and '-', ending in
// ".safetensors", not hidden.
// Errors: INVALID_ARGUMENT: not JSON, no weight_map in it, another name, or more than 1,000 shards.
absl::StatusOr<Shards> ParseShardsIndex(std::string_view text);

}  // namespace patchserve
