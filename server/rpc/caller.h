// What a caller's gRPC library says of a call, in our terms.
#pragma once

#include <cstdint>

#include "absl/time/time.h"
#include "grpc/support/time.h"
#include "grpcpp/server_context.h"
#include "server/base/steady_clock.h"
#include "server/pipeline/request.h"

namespace patchserve {

// On the server's clock, at `now`. Infinite if it is centuries away: so programs say that they have
// no deadline, and gRPC's own conversion to std::chrono wraps in the year 2262.
inline absl::Time TimeOf(const gpr_timespec& deadline, absl::Time now = SteadyNow()) {
  constexpr int64_t kYear2242 = int64_t{1} << 33;  // Unix seconds
  if (gpr_convert_clock_type(deadline, GPR_CLOCK_REALTIME).tv_sec >= kYear2242) {
    return absl::InfiniteFuture();
  }
  const gpr_timespec left = gpr_time_sub(deadline, gpr_now(deadline.clock_type));
  return now + absl::Seconds(left.tv_sec) + absl::Nanoseconds(left.tv_nsec);
}

// Infinite if the client set none.
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

struct Caller {
  absl::Time arrival;   // of the request
  absl::Time deadline;  // of the call
  bool retried = false;
  Cancellation* cancellation = nullptr;  // of the call
};

inline Caller CallerOf(const grpc::CallbackServerContext& context, absl::Time arrival,
                       Cancellation& cancellation) {
  return {arrival, DeadlineOf(context), IsRetry(context), &cancellation};
}

// What every request has of its caller, whichever RPC it came by. `deadline`: the request's own.
inline void FillIn(const Caller& caller, absl::Time deadline, ClassifyRequest& request) {
  request.arrival = caller.arrival;
  request.deadline = deadline;
  request.no_later_than = caller.deadline;
  request.retried = caller.retried;
  request.cancellation = caller.cancellation;
}

}  // namespace patchserve
