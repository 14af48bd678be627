// The weights of a checkpoint folder: model.safetensors, or the shards that
// model.safetensors.index.json lists.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/model/file.h"
#include "server/model/safetensors.h"
#include "server/model/shards.h"

namespace patchserve {

struct WeightsFiles {
  std::filesystem::path path;    // of model.safetensors or the index: what errors name
  Shards shards;                 // without an index, model.safetensors with no tensors named
  std::vector<FileBytes> files;  // of `shards`, in their order

  std::vector<std::string_view> texts() const;
};

// Errors, each naming the file: those of ReadFile, and of ParseShardsIndex. Where neither file is
// there, NOT_FOUND names the weights of other libraries that are.
absl::StatusOr<WeightsFiles> ReadWeightsFiles(const std::filesystem::path& folder);

// Every tensor of the files; the views point into `weights`.
// Errors: INVALID_ARGUMENT, naming the file: those of ParseSafetensors, a file of another kind, a
// tensor that two shards have, or that isn't in the shard that the index names.
absl::StatusOr<std::vector<TensorView>> ParseWeightsFiles(const WeightsFiles& weights);

}  // namespace patchserve
