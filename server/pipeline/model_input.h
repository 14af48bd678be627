// A request's image as its model's input.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "server/image/image.h"
#include "server/image/preprocessing.h"
#include "server/pipeline/request.h"

namespace patchserve {

// Decodes the picture, turns it upright if `how` says so, and resizes and crops it:
// how.bytes() bytes. `info` is what admission found. Thread-safe.
// Errors: INVALID_ARGUMENT: as Decode. RESOURCE_EXHAUSTED: no memory for the pixels.
// INTERNAL: a library threw something else.
absl::StatusOr<std::unique_ptr<uint8_t[]>> MakeModelInput(const RequestImage& image,
                                                          const ImageInfo& info,
                                                          const Preprocessing& how);

}  // namespace patchserve
