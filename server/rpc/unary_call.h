// One unary call that the pipeline answers.
#pragma once

#include "absl/time/time.h"
#include "grpcpp/grpcpp.h"
#include "server/base/steady_clock.h"
#include "server/rpc/caller.h"
#include "server/rpc/services.h"
#include "server/rpc/status.h"

namespace patchserve {

// Lives from the handler to OnDone, which gRPC calls after Finish: so the request's bytes
// can be borrowed until the answer is there. Deletes itself.
class UnaryCall : public grpc::ServerUnaryReactor {
 public:
  // Also when the client's deadline has passed.
  void OnCancel() final { services_.classifier.Cancel(cancellation_); }
  void OnDone() final {
    if (waited_for_) services_.open_calls.Closed();
    delete this;
  }

 protected:
  UnaryCall(const Services& services, grpc::CallbackServerContext& context)
      : services_(services),
        context_(context),
        arrival_(SteadyNow()),
        waited_for_(services.open_calls.Opened()) {}
  ~UnaryCall() override = default;

  // This may be gone when it returns.
  void End(const Outcome& outcome) {
    services_.access_log.Note(context_, arrival_, outcome);
    Finish(ToGrpc(outcome.status, context_));
  }

  absl::Time arrival() const { return arrival_; }

  // What a request of this call needs to know of its caller.
  Caller caller() { return CallerOf(context_, arrival_, cancellation_); }

 private:
  const Services& services_;
  grpc::CallbackServerContext& context_;
  const absl::Time arrival_;
  const bool waited_for_;  // by a shutdown
  Cancellation cancellation_;
};

}  // namespace patchserve
