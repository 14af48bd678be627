// Whether a request can be served at all: everything that is checked before any
// work is spent on it.
#pragma once

#include "absl/status/status.h"
#include "server/image/limits.h"
#include "server/pipeline/call.h"
#include "server/pipeline/model_registry.h"

namespace patchserve {

// Finds call.model and its figures, and fills call.top_k, call.image and an absent deadline.
// Microseconds: of the image only the header is read.
// Errors: as Classifier::Classify says.
absl::Status CheckRequest(const ModelRegistry& registry, const ImageLimits& limits, Call& call);

}  // namespace patchserve
