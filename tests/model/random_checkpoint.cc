#include "tests/model/random_checkpoint.h"

#include <cmath>
#include <fstream>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "nlohmann/json.hpp"
#include "server/base/status.h"

namespace patchserve {
namespace {

bool IsConvMixer(const RandomCheckpoint& spec) {
  return absl::StartsWith(spec.architecture, "convmixer_");
}

// Evenly spread numbers: splitmix64 (Steele, Lea, Flood 2014), fast enough for 10^8 weights.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  std::vector<float> Values(size_t count, float mean, float deviation) {
    const float half_width = deviation * std::sqrt(3.0f);
    std::vector<float> values(count);
    for (float& value : values) value = mean + half_width * (2 * Next() - 1);
    return values;
  }

 private:
  float Next() {  // in [0, 1)
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return static_cast<float>((z ^ z >> 31) >> 40) * 0x1p-24f;
  }

  uint64_t state_;
};

class TensorMaker {
 public:
  explicit TensorMaker(uint64_t seed) : random_(seed) {}

  // A linear layer or a convolution: outputs of about gain times the inputs' size.
  void Layer(const std::string& name, std::vector<int64_t> shape, float gain) {
    const int64_t out = shape[0];
    int64_t inputs = 1;
    for (size_t i = 1; i < shape.size(); ++i) inputs *= shape[i];
    Add(name + ".weight", std::move(shape), 0, gain / std::sqrt(static_cast<float>(inputs)));
    Add(name + ".bias", {out}, 0, 0.02f);
  }

  void Norm(const std::string& name, int64_t dim) {
    Add(name + ".weight", {dim}, 1, 0.1f);
    Add(name + ".bias", {dim}, 0, 0.1f);
  }

  // What GELU makes of a normal distribution has mean 0.3 and variance 0.3.
  void BatchNorm(const std::string& name, int64_t dim) {
    Norm(name, dim);
    Add(name + ".running_mean", {dim}, 0.3f, 0.05f);
    Add(name + ".running_var", {dim}, 0.35f, 0.05f);
    tensors[name + ".num_batches_tracked"] = {"I64", {}, std::string(8, '\0')};
  }

  void Add(const std::string& name, std::vector<int64_t> shape, float mean, float deviation) {
    int64_t count = 1;
    for (int64_t side : shape) count *= side;
    tensors[name] = FloatTensor(std::move(shape), random_.Values(count, mean, deviation));
  }

  std::map<std::string, RawTensor> tensors;

 private:
  Random random_;
};

std::map<std::string, RawTensor> ConvMixerTensors(const RandomCheckpoint& spec, uint64_t seed) {
  TensorMaker make(seed);
  make.Layer("stem.0", {spec.dim, 3, spec.patch_size, spec.patch_size}, 1);
  make.BatchNorm("stem.2", spec.dim);
  for (int i = 0; i < spec.depth; ++i) {
    const std::string block = absl::StrCat("blocks.", i);
    make.Layer(block + ".0.fn.0", {spec.dim, 1, spec.kernel_size, spec.kernel_size}, 1);
    make.BatchNorm(block + ".0.fn.2", spec.dim);
    make.Layer(block + ".1", {spec.dim, spec.dim, 1, 1}, 0.5f);
    make.BatchNorm(block + ".3", spec.dim);
  }
  if (spec.num_classes > 0) make.Layer("head", {spec.num_classes, spec.dim}, 2);
  return std::move(make.tensors);
}

std::map<std::string, RawTensor> ViTTensors(const RandomCheckpoint& spec, uint64_t seed) {
  TensorMaker make(seed);
  const int64_t dim = spec.dim;
  const int64_t side = spec.image_size / spec.patch_size;
  make.Add("cls_token", {1, 1, dim}, 0, 0.02f);
  make.Add("pos_embed", {1, side * side + 1, dim}, 0, 0.2f);
  make.Layer("patch_embed.proj", {dim, 3, spec.patch_size, spec.patch_size}, 1);
  for (int i = 0; i < spec.depth; ++i) {
    const std::string block = absl::StrCat("blocks.", i);
    make.Norm(block + ".norm1", dim);
    make.Layer(block + ".attn.qkv", {3 * dim, dim}, 1);
    make.Layer(block + ".attn.proj", {dim, dim}, 0.5f);
    make.Norm(block + ".norm2", dim);
    make.Layer(block + ".mlp.fc1", {4 * dim, dim}, 1);
    make.Layer(block + ".mlp.fc2", {dim, 4 * dim}, 0.5f);
  }
  make.Norm("norm", dim);
  if (spec.num_classes > 0) make.Layer("head", {spec.num_classes, dim}, 1);
  return std::move(make.tensors);
}

absl::Status WriteFile(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), bytes.size());
  file.close();
  if (!file) return absl::InternalError(absl::StrCat(path.string(), ": not written"));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<RandomCheckpoint> NamedCheckpoint(const std::string& name) {
  absl::string_view architecture = name;
  const bool encoder = absl::ConsumeSuffix(&architecture, ".encoder");
  for (RandomCheckpoint spec : {
           RandomCheckpoint{"vit_tiny_patch16_224", 224, 16, 192, 12, 0, 3},
           RandomCheckpoint{"vit_small_patch16_224", 224, 16, 384, 12, 0, 6},
           RandomCheckpoint{"vit_base_patch16_224", 224, 16, 768, 12, 0, 12},
           RandomCheckpoint{"vit_small_patch8_32", 32, 8, 48, 2, 0, 6, 10},
           RandomCheckpoint{"convmixer_768_32", 224, 7, 768, 32, 7},
           RandomCheckpoint{"convmixer_1536_20", 224, 7, 1536, 20, 9},
           RandomCheckpoint{"convmixer_1024_20_ks9_p14", 224, 14, 1024, 20, 9},
           RandomCheckpoint{"convmixer_small", 32, 4, 32, 2, 5, 0, 10},
       }) {
    if (spec.architecture != architecture) continue;
    if (encoder) spec.num_classes = 0;
    return spec;
  }
  return absl::NotFoundError(absl::StrCat(name, " is not one of the named checkpoints"));
}

std::map<std::string, RawTensor> RandomTensors(const RandomCheckpoint& spec, uint64_t seed) {
  return IsConvMixer(spec) ? ConvMixerTensors(spec, seed) : ViTTensors(spec, seed);
}

std::string ConfigJson(const RandomCheckpoint& spec) {
  nlohmann::json args = {{"patch_size", spec.patch_size}, {"depth", spec.depth}};
  if (IsConvMixer(spec)) {
    args["dim"] = spec.dim;
    args["kernel_size"] = spec.kernel_size;
  } else {
    args["embed_dim"] = spec.dim;
    args["num_heads"] = spec.num_heads;
    args["img_size"] = spec.image_size;
  }
  return nlohmann::json{
      {"architecture", spec.architecture},
      {"num_classes", spec.num_classes},
      {"num_features", spec.dim},
      {"global_pool", IsConvMixer(spec) ? "avg" : "token"},
      {"model_args", args},
      {"pretrained_cfg", {{"input_size", {3, spec.image_size, spec.image_size}}}},
  }
      .dump(1);
}

absl::Status WriteRandomCheckpoint(const std::filesystem::path& folder,
                                   const RandomCheckpoint& spec, uint64_t seed) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return absl::InternalError(absl::StrCat(folder.string(), ": ", error.message()));
  RETURN_IF_ERROR(WriteFile(folder / "config.json", ConfigJson(spec)));
  return WriteFile(folder / "model.safetensors", SafetensorsFile(RandomTensors(spec, seed)));
}

}  // namespace patchserve
