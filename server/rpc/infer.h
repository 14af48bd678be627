// One request of the Open Inference Protocol on its way through the pipeline.
#pragma once

#include <atomic>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "inference/grpc_service.pb.h"
#include "server/pipeline/classifier.h"
#include "server/pipeline/model_registry.h"

namespace patchserve {

// Called exactly once, here or on another thread, with the images' answers; the response is
// filled if it is OK.
using InferDone = absl::AnyInvocable<void(const absl::StatusOr<std::vector<Answer>>&) &&>;

// Answers `message`, which arrived now, through `done`. `no_later_than` is the call's
// deadline; `cancelled` as ClassifyRequest's. All but the deadline must live until then.
// Errors: NOT_FOUND, INVALID_ARGUMENT, UNIMPLEMENTED: as CheckModelVersion, ReadInput and
// ReadOptions; the others as Classifier::Classify.
void Infer(Classifier& classifier, const ModelRegistry& registry,
           const inference::ModelInferRequest& message, absl::Time no_later_than,
           const std::atomic<bool>& cancelled, inference::ModelInferResponse& response,
           InferDone done);

}  // namespace patchserve
