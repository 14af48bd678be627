// config.json of a checkpoint folder, as timm writes it (timm/models/_hub.py).
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/image/preprocessing.h"
#include "server/model/architecture.h"
#include "server/model/model.h"
#include "server/model/model_args.h"

namespace patchserve {

struct ModelConfig {
  std::string architecture;
  Family family = Family::kConvMixer;
  Activation activation = Activation::kGelu;
  MixerKind mixer = MixerKind::kMixer;
  ViTOptions vit;
  std::vector<ClassName> classes;  // none: no classifier
  Preprocessing preprocessing;
  ModelArgs model_args;                          // empty for folders from before timm 1.0.30
  std::array<int, 2> trained_size = {224, 224};  // height, width: what positions are for
  std::array<int, 2> built_size = {224, 224};    // what timm resizes them to when it loads them

  int num_classes() const { return static_cast<int>(classes.size()); }
};

// Understands today's form (model_args and pretrained_cfg), folders without
// model_args, and the flat form without pretrained_cfg. What the root says of
// classes wins over pretrained_cfg. timm's defaults fill in for absent fields; where
// model_args doesn't say the pool, the root's global_pool does. Classes get ImageNet's
// names if the folder gives none, there are 1000, and pretrained_cfg.tag ends in "in1k".
// NaN and infinity, which Python's json writes, are taken in fields that aren't read.
// Errors: INVALID_ARGUMENT: not JSON, or naming the field, what it is and what was
// expected: architecture, num_classes or a ViT's heads missing; a wrong type or
// value; something that would need another network than those of convmixer.h, mixer.h
// and vit.h, or another transform than Preprocessing describes.
absl::StatusOr<ModelConfig> ParseModelConfig(std::string_view text);

}  // namespace patchserve
