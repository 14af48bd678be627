// Messages that can't be parsed.
#pragma once

#include <memory>
#include <string>

#include "grpcpp/grpcpp.h"
#include "grpcpp/impl/codegen/client_unary_call.h"

namespace patchserve {

// What a call of `method` is answered whose message can't be parsed.
inline grpc::Status CallWithGarbage(const std::shared_ptr<grpc::Channel>& channel,
                                    const std::string& method) {
  const grpc::Slice garbage("\xff\xff\xff");
  grpc::ByteBuffer request(&garbage, 1), answer;
  const grpc::internal::RpcMethod call(method.c_str(), grpc::internal::RpcMethod::NORMAL_RPC);
  grpc::ClientContext context;
  return grpc::internal::BlockingUnaryCall<grpc::ByteBuffer, grpc::ByteBuffer, grpc::ByteBuffer,
                                           grpc::ByteBuffer>(channel.get(), call, &context, request,
                                                             &answer);
}

}  // namespace patchserve
