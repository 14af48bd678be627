// Checkpoint folders with random weights, for tests and benchmarks that need a model
// of some size and no particular answers. No Python, no LibTorch.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/model/write_safetensors.h"

namespace patchserve {

struct RandomCheckpoint {
  std::string architecture;  // convmixer_*, or vit_* or deit_*
  int image_size = 0;        // pixels a side
  int patch_size = 0;
  int dim = 0;
  int depth = 0;
  int kernel_size = 0;     // ConvMixer
  int num_heads = 0;       // ViT
  int num_classes = 1000;  // 0: no classifier
};

// The sizes of timm's vit_tiny_patch16_224, vit_small_patch16_224,
// vit_base_patch16_224, convmixer_768_32, convmixer_1536_20 and convmixer_1024_20_ks9_p14,
// and two that load and run in milliseconds (32x32 pixels, 10 classes): convmixer_small,
// vit_small_patch8_32. NAME.encoder is NAME without a classifier. Errors: NOT_FOUND: another name.
absl::StatusOr<RandomCheckpoint> NamedCheckpoint(const std::string& name);

// float32 weights, scaled so that activations stay near 1. The same seed gives the
// same weights.
std::map<std::string, RawTensor> RandomTensors(const RandomCheckpoint& spec, uint64_t seed);

// What timm would write beside them.
std::string ConfigJson(const RandomCheckpoint& spec);

// Writes config.json and model.safetensors; makes the folder if it isn't there.
// Errors: INTERNAL: not written.
absl::Status WriteRandomCheckpoint(const std::filesystem::path& folder,
                                   const RandomCheckpoint& spec, uint64_t seed);

}  // namespace patchserve
