// A name for exactly these files.
#pragma once

#include <string>
#include <string_view>

#include "absl/types/span.h"

namespace patchserve {

// The first 12 hex digits of SHA-256 over config.json's bytes, then the weights', file by file.
std::string VersionOf(std::string_view config, absl::Span<const std::string_view> weights);

}  // namespace patchserve
