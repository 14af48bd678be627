#include "server/model/weights_files.h"

#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/base/status.h"
#include "server/model/foreign_file.h"

namespace patchserve {
namespace {

constexpr uint64_t kMaxWeightsBytes = uint64_t{16} << 30;  // of all files
constexpr uint64_t kMaxIndexBytes = 16 << 20;
constexpr char kOneFile[] = "model.safetensors";

absl::Status InFile(const std::filesystem::path& path, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(path.string(), ": ", status.message()));
}

// A folder without these weights may have those of another library.
absl::Status NoWeights(const std::filesystem::path& folder, const absl::Status& not_found) {
  std::set<std::string> others;
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder, error), end; it != end; it.increment(error)) {
    for (const char* ending : {".bin", ".pt", ".pth", ".ckpt", ".safetensors", ".h5", ".keras",
                               ".msgpack", ".npz", ".onnx", ".incomplete"}) {
      const std::string name = it->path().filename();
      if (absl::EndsWith(name, ending)) others.insert(name);
    }
  }
  others.erase(kOneFile);
  if (others.empty()) return not_found;
  return absl::NotFoundError(absl::StrCat(not_found.message(), "; there is ",
                                          absl::StrJoin(others, ", "), ", which isn't read"));
}

absl::StatusOr<Shards> ReadIndex(const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(const FileBytes file, ReadFile(path, kMaxIndexBytes));
  auto shards = ParseShardsIndex(file.text());
  if (shards.ok()) return shards;
  if (const std::string instead = WhatItIsInstead(file.text(), "the index", "JSON");
      !instead.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(path.string(), " ", instead));
  }
  return InFile(path, shards.status());
}

absl::Status CheckAllThere(const std::set<std::string>& wanted,
                           const std::vector<TensorView>& tensors) {
  std::set<std::string> missing = wanted;
  for (const TensorView& tensor : tensors) missing.erase(tensor.name);
  if (missing.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("tensor ", *missing.begin(), " is missing, which ", kShardsIndex, " names"));
}

}  // namespace

std::vector<std::string_view> WeightsFiles::texts() const {
  std::vector<std::string_view> texts;
  for (const FileBytes& file : files) texts.push_back(file.text());
  return texts;
}

absl::StatusOr<WeightsFiles> ReadWeightsFiles(const std::filesystem::path& folder) {
  WeightsFiles weights{.path = folder / kOneFile, .shards = {{kOneFile, {}}}};
  auto one = ReadFile(weights.path, kMaxWeightsBytes);
  if (one.ok()) {
    weights.files.push_back(*std::move(one));
    return weights;
  }
  if (!absl::IsNotFound(one.status())) return one.status();
  weights.path = folder / kShardsIndex;
  auto shards = ReadIndex(weights.path);
  if (absl::IsNotFound(shards.status())) return NoWeights(folder, one.status());
  if (!shards.ok()) return shards.status();
  weights.shards = *std::move(shards);
  uint64_t left = kMaxWeightsBytes;
  for (const auto& [name, tensors] : weights.shards) {
    ASSIGN_OR_RETURN(FileBytes file, ReadFile(folder / name, left));
    left -= file.size;
    weights.files.push_back(std::move(file));
  }
  return weights;
}

absl::StatusOr<std::vector<TensorView>> ParseWeightsFiles(const WeightsFiles& weights) {
  std::vector<TensorView> all;
  std::set<std::string> names;
  size_t file = 0;
  for (const auto& [name, wanted] : weights.shards) {
    const std::filesystem::path path = weights.path.parent_path() / name;
    const std::string_view text = weights.files[file++].text();
    auto tensors = ParseSafetensors(text);
    if (!tensors.ok()) {
      const std::string instead = WhatItIsInstead(text, "the weights", "safetensors");
      if (instead.empty()) return InFile(path, tensors.status());
      return absl::InvalidArgumentError(absl::StrCat(path.string(), " ", instead));
    }
    if (const absl::Status there = CheckAllThere(wanted, *tensors); !there.ok()) {
      return InFile(path, there);
    }
    for (TensorView& tensor : *tensors) {
      if (!names.insert(tensor.name).second) {
        return absl::InvalidArgumentError(
            absl::StrCat(path.string(), ": tensor ", tensor.name, " is in another shard too"));
      }
      all.push_back(std::move(tensor));
    }
  }
  return all;
}

}  // namespace patchserve
