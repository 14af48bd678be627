// The photos that a load is made of.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "client/inputs.h"

namespace patchserve {

// The bytes of the first inputs, as many as fit into `max_bytes`. Blocks.
// Errors: that of the first input that can't be read, with its name; INVALID_ARGUMENT:
// the first one alone is larger, or there is none.
absl::StatusOr<std::vector<std::string>> ReadPhotos(absl::Span<const Input> inputs,
                                                    size_t max_bytes);

}  // namespace patchserve
