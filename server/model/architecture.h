// What timm's registry says of an architecture and its weights don't show.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace patchserve {

enum class Family { kConvMixer, kViT };
enum class Activation { kGelu, kRelu };  // GELU by the error function, not by tanh

struct Architecture {
  Family family = Family::kConvMixer;
  Activation activation = Activation::kGelu;
  int heads = 0;  // of a ViT's attention; 0 if the name doesn't say
};

// `name` is config.json's, such as "convmixer_768_32" or "deit_small_patch16_224"
// (timm/models/convmixer.py, vision_transformer.py, deit.py).
// Errors: INVALID_ARGUMENT: not a ConvMixer or a plain ViT, with what is supported.
absl::StatusOr<Architecture> LookUpArchitecture(const std::string& name);

}  // namespace patchserve
