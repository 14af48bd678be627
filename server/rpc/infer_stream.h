// The ModelStreamInfer calls.
#pragma once

#include "grpcpp/grpcpp.h"
#include "inference/grpc_service.grpc.pb.h"
#include "server/rpc/services.h"

namespace patchserve {

// Answers come in the order of the requests.
grpc::ServerBidiReactor<grpc::ByteBuffer, inference::ModelStreamInferResponse>* OpenInferStream(
    const Services& services, const grpc::CallbackServerContext& context);

}  // namespace patchserve
