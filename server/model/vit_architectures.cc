#include "server/model/vit_architectures.h"

namespace patchserve {
namespace {

std::map<std::string_view, ViTArchitecture> ByName() {
  std::map<std::string_view, ViTArchitecture> by_name;
  for (const ViTArchitectureGroup& group : ViTArchitectureGroups()) {
    for (const auto& [name, heads] : group.heads) {
      by_name[name] = group.architecture;
      by_name[name].options.num_heads = heads;
    }
  }
  return by_name;
}

}  // namespace

const std::map<std::string_view, ViTArchitecture>& ViTArchitectures() {
  static const std::map<std::string_view, ViTArchitecture> kArchitectures = ByName();
  return kArchitectures;
}

}  // namespace patchserve
