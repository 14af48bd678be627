// What a caller's gRPC library says of a call, in our terms.
#pragma once

#include <cstdint>

#include "absl/time/time.h"
#include "grpc/support/time.h"
#include "grpcpp/server_context.h"

namespace patchserve {

// Infinite from the year 2242 on: so programs say that they have no deadline.
inline absl::Time TimeOf(gpr_timespec deadline) {
  deadline = gpr_convert_clock_type(deadline, GPR_CLOCK_REALTIME);
  if (deadline.tv_sec >= int64_t{1} << 33) return absl::InfiniteFuture();
  return absl::FromUnixSeconds(deadline.tv_sec) + absl::Nanoseconds(deadline.tv_nsec);
}

// Infinite if the client set none. gRPC's own conversion to std::chrono wraps in the year 2262.
inline absl::Time DeadlineOf(const grpc::CallbackServerContext& context) {
  return TimeOf(context.raw_deadline());
}

// Whether it was refused before and is made again: gRPC's own retries (its proposal A6) say so in
// one header, our client's in the other, since clients can't set the first themselves.
inline bool IsRetry(const grpc::CallbackServerContext& context) {
  const auto& metadata = context.client_metadata();
  return metadata.count("grpc-previous-rpc-attempts") > 0 ||
         metadata.count("patchserve-previous-attempts") > 0;
}

}  // namespace patchserve
