// timm's named vision transformers.
#pragma once

#include <map>
#include <string_view>
#include <vector>

#include "server/model/architecture.h"
#include "server/model/vit_options.h"

namespace patchserve {

struct ViTArchitecture {
  ViTOptions options;
  Activation activation = Activation::kGelu;
  int img_size = 224;
  bool dynamic_img_size = false;
  const char* unsupported = nullptr;  // an argument that asks for a network other than vit.h's
};

// Names that differ in the number of heads only.
struct ViTArchitectureGroup {
  ViTArchitecture architecture;
  std::map<std::string_view, int> heads;  // by name
};

// The table itself (vit_architecture_groups.cc, which is generated).
std::vector<ViTArchitectureGroup> ViTArchitectureGroups();

// Every entry point of timm 1.0.31's vision_transformer.py and deit.py, by name, with
// the arguments that it passes to VisionTransformer.
const std::map<std::string_view, ViTArchitecture>& ViTArchitectures();

}  // namespace patchserve
