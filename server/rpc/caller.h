// What a caller's gRPC library says of a call, in our terms.
#pragma once

#include "absl/time/time.h"
#include "grpc/support/time.h"
#include "grpcpp/server_context.h"
#include "server/base/steady_clock.h"
#include "server/pipeline/request.h"

namespace patchserve {

// On the server's clock. Infinite if the client set none, or one beyond what gRPC's clock can name.
inline absl::Time DeadlineOf(const grpc::CallbackServerContext& context) {
  const gpr_timespec deadline = context.raw_deadline();
  // gRPC says "never" by an infinite time; what is centuries away wraps around when it is a
  // std::chrono time.
  constexpr int64_t kCenturies = int64_t{1} << 33;  // seconds
  if (deadline.tv_sec >= kCenturies) return absl::InfiniteFuture();
  const gpr_timespec left = gpr_time_sub(deadline, gpr_now(deadline.clock_type));
  return SteadyNow() + absl::Seconds(left.tv_sec) + absl::Nanoseconds(left.tv_nsec);
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
