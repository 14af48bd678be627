// The ClassifyStream calls.
#pragma once

#include "grpcpp/grpcpp.h"
#include "patchserve/v1/classification.grpc.pb.h"
#include "server/pipeline/classifier.h"
#include "server/rpc/access_log.h"
#include "server/rpc/open_calls.h"

namespace patchserve {

// Answers come as they finish. For the arguments see request_stream.h.
grpc::ServerBidiReactor<grpc::ByteBuffer, v1::ClassifyStreamResponse>* OpenClassifyStream(
    Classifier& classifier, OpenCalls& open_calls, AccessLog& access_log, int window,
    const grpc::CallbackServerContext& context);

}  // namespace patchserve
