// What a caller's gRPC library says of a call, in our terms.
#pragma once

#include <chrono>

#include "absl/time/time.h"
#include "grpcpp/server_context.h"

namespace patchserve {

// Infinite if the client set none: gRPC then gives the last time point it can name.
inline absl::Time DeadlineOf(const grpc::CallbackServerContext& context) {
  const auto deadline = context.deadline();
  if (deadline == std::chrono::system_clock::time_point::max()) return absl::InfiniteFuture();
  const absl::Time time = absl::FromChrono(deadline);
  return time > absl::FromUnixSeconds(int64_t{1} << 33) ? absl::InfiniteFuture() : time;
}

// Whether it was refused before and is made again: gRPC's own retries (its proposal A6) say so in
// one header, our client's in the other, since clients can't set the first themselves.
inline bool IsRetry(const grpc::CallbackServerContext& context) {
  const auto& metadata = context.client_metadata();
  return metadata.count("grpc-previous-rpc-attempts") > 0 ||
         metadata.count("patchserve-previous-attempts") > 0;
}

}  // namespace patchserve
