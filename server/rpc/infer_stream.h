// The ModelStreamInfer calls.
#pragma once

#include "grpcpp/grpcpp.h"
#include "inference/grpc_service.grpc.pb.h"
#include "server/pipeline/classifier.h"
#include "server/pipeline/model_registry.h"
#include "server/rpc/access_log.h"
#include "server/rpc/open_calls.h"

namespace patchserve {

// Answers come in the order of the requests. For the arguments see request_stream.h.
grpc::ServerBidiReactor<grpc::ByteBuffer, inference::ModelStreamInferResponse>* OpenInferStream(
    Classifier& classifier, const ModelRegistry& registry, OpenCalls& open_calls,
    AccessLog& access_log, int window, const grpc::CallbackServerContext& context);

}  // namespace patchserve
