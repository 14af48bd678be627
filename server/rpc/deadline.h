// gRPC's deadline in our terms.
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

}  // namespace patchserve
