// One request of the Open Inference Protocol on its way through the pipeline.
#pragma once

#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "inference/grpc_service.pb.h"
#include "server/pipeline/classifier.h"
#include "server/pipeline/model_registry.h"
#include "server/rpc/caller.h"

namespace patchserve {

// Called exactly once, here or on another thread, with the images' answers; the response is
// filled if it is OK.
using InferDone = absl::AnyInvocable<void(const absl::StatusOr<std::vector<Answer>>&) &&>;

// Answers `message` through `done`. All must live until then.
// Errors: NOT_FOUND, INVALID_ARGUMENT, UNIMPLEMENTED: as CheckModelVersion, ReadInput and
// ReadOptions; the others as Classifier::Classify.
void Infer(Classifier& classifier, const ModelRegistry& registry,
           const inference::ModelInferRequest& message, const Caller& caller,
           inference::ModelInferResponse& response, InferDone done);

}  // namespace patchserve
