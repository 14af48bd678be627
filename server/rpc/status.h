// The one place where our status becomes gRPC's.
#pragma once

#include "absl/status/status.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/status.h"

namespace patchserve {

// The same code (the numbers are the same by design) and message.
grpc::Status ToGrpc(const absl::Status& status);

// ToGrpc; and when the status has a RetryAfter, the trailer that gRPC's clients heed:
// grpc-retry-pushback-ms, -1 where no try could be in time (gRFC A6).
grpc::Status ToGrpc(const absl::Status& status, grpc::CallbackServerContext& context);

// What a handler returns that has its answer already.
grpc::ServerUnaryReactor* Answered(grpc::CallbackServerContext& context,
                                   const absl::Status& status = absl::OkStatus());

}  // namespace patchserve
