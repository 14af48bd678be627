// The one place where our status becomes gRPC's.
#pragma once

#include "absl/status/status.h"
#include "grpcpp/support/status.h"

namespace patchserve {

// The same code (the numbers are the same by design) and message.
grpc::Status ToGrpc(const absl::Status& status);

}  // namespace patchserve
