// A name for exactly these files.
#pragma once

#include <string>
#include <string_view>

namespace patchserve {

// The first 12 hex digits of SHA-256 over config.json's bytes, then the weights'.
std::string VersionOf(std::string_view config, std::string_view weights);

}  // namespace patchserve
