// The ClassifyStream calls.
#pragma once

#include "grpcpp/grpcpp.h"
#include "patchserve/v1/classification.grpc.pb.h"
#include "server/rpc/services.h"

namespace patchserve {

// Answers come as they finish.
grpc::ServerBidiReactor<grpc::ByteBuffer, v1::ClassifyStreamResponse>* OpenClassifyStream(
    const Services& services, const grpc::CallbackServerContext& context);

}  // namespace patchserve
