// The models as the Open Inference Protocol describes them.
#pragma once

#include <cstdint>
#include <string>

#include "inference/grpc_service.pb.h"
#include "server/metrics/inference_statistics.h"
#include "server/pipeline/model_registry.h"
#include "server/rpc/infer_input.h"

namespace patchserve {

// `name` is what the model was called by, with the suffix of `kind`.
inference::ModelMetadataResponse WriteMetadata(const ServedModel& model, const std::string& name,
                                               InputKind kind);
inference::ModelConfig WriteConfig(const ServedModel& model, const std::string& name,
                                   InputKind kind, int64_t max_message_bytes);
inference::ModelStatistics WriteStatistics(const InferenceStatistics::Snapshot& statistics,
                                           const std::string& name);
inference::RepositoryIndexResponse::ModelIndex WriteIndex(const ModelEntry& entry);

}  // namespace patchserve
