// What timm's registry says of an architecture and its weights don't show.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "server/model/activation.h"
#include "server/model/vit_options.h"

namespace patchserve {

enum class Family { kConvMixer, kMixer, kViT };

// The networks of mixer.h.
enum class MixerKind { kMixer, kGluMixer, kResMlp, kGmlp };

struct Architecture {
  Family family = Family::kConvMixer;
  Activation activation = Activation::kGelu;
  MixerKind mixer = MixerKind::kMixer;
  ViTOptions vit;
  int img_size = 224;             // a ViT's, where config.json doesn't say it
  bool dynamic_img_size = false;  // a ViT: takes pictures of other sizes too
};

// `name` is config.json's: an entry point of timm's vision_transformer.py or deit.py,
// such as "deit_small_patch16_224"; convmixer_*, mixer_*, gmixer_*, resmlp_* or gmlp_* with any
// words; or vit_SIZE_patchP_S or deit_SIZE_patchP_S with any words for them, of which the number
// of heads isn't known.
// Errors: INVALID_ARGUMENT: another name, or a network that convmixer.h, mixer.h and vit.h aren't.
absl::StatusOr<Architecture> LookUpArchitecture(const std::string& name);

}  // namespace patchserve
