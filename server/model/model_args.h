// config.json's model_args: what the network was built with, on top of what its
// architecture's name stands for.
#pragma once

#include <array>
#include <optional>

#include "absl/status/statusor.h"
#include "server/model/architecture.h"
#include "server/model/json.h"

namespace patchserve {

inline constexpr int kMaxSide = 4096;  // of a model's input, in pixels
inline constexpr int kMaxClasses = 100'000;

// Sizes, if they were given. The weights show them too: these are compared with those, so
// that a folder which contradicts itself is refused.
struct ModelArgs {
  std::optional<int> num_classes;
  std::optional<int> dim;    // ConvMixer's dim, the others' embed_dim
  std::optional<int> depth;  // a Mixer's num_blocks
  std::optional<int> patch_size;
  std::optional<int> kernel_size;                   // ConvMixer
  std::optional<double> mlp_ratio;                  // ViT
  std::optional<std::array<double, 2>> mlp_ratios;  // Mixer: of tokens and channels
  std::optional<std::array<int, 2>> img_size;       // ViT, Mixer: height, width
  std::optional<bool> dynamic_img_size;             // ViT: img_size is no rule
};

// Reads the sizes, and changes `architecture` as the other arguments say.
// Errors: INVALID_ARGUMENT, naming the field: a key this program doesn't know, or a
// value that asks for a network other than the ones in convmixer.h, mixer.h and vit.h.
absl::StatusOr<ModelArgs> ParseModelArgs(const JsonFields& fields, Architecture& architecture);

}  // namespace patchserve
