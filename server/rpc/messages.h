// Between the messages of classification.proto and the pipeline's types.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "patchserve/v1/classification.pb.h"
#include "server/pipeline/answer.h"
#include "server/pipeline/model_registry.h"
#include "server/pipeline/request.h"

namespace patchserve {

// The pipeline's view of `message`, which must outlive it; arrival, deadline and
// cancelled are left to the caller.
// Errors: INVALID_ARGUMENT: an enum value that isn't known or set.
absl::StatusOr<ClassifyRequest> ReadRequest(const v1::ClassifyRequest& message);

// Overwrites `response`. `request` is what the answer is for.
void WriteResponse(const Answer& answer, const v1::ClassifyRequest& request,
                   v1::ClassifyResponse& response);

// Names of classes are what is long of a model: of many models they don't fit in a message.
v1::Model WriteModel(const ModelEntry& entry, bool is_default, bool with_classes);

}  // namespace patchserve
