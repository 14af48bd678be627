// One unary call that the pipeline answers.
#pragma once

#include <atomic>

#include "absl/status/status.h"
#include "grpcpp/grpcpp.h"
#include "server/pipeline/classifier.h"
#include "server/rpc/open_calls.h"
#include "server/rpc/status.h"

namespace patchserve {

// Lives from the handler to OnDone, which gRPC calls after Finish: so the request's bytes
// can be borrowed until the answer is there. Deletes itself.
class UnaryCall : public grpc::ServerUnaryReactor {
 public:
  // Also when the client's deadline has passed.
  void OnCancel() final {
    cancelled_ = true;
    classifier_.NoticeCancelled();
  }
  void OnDone() final {
    open_calls_.Closed();
    delete this;
  }

 protected:
  // All must outlive this.
  UnaryCall(Classifier& classifier, OpenCalls& open_calls, grpc::CallbackServerContext& context)
      : classifier_(classifier), open_calls_(open_calls), context_(context) {
    open_calls_.Opened();
  }
  ~UnaryCall() override = default;

  // This may be gone when it returns.
  void End(const absl::Status& status) { Finish(ToGrpc(status, context_)); }

  // Whether nobody waits for the answer any more.
  const std::atomic<bool>& cancelled() const { return cancelled_; }

 private:
  Classifier& classifier_;
  OpenCalls& open_calls_;
  grpc::CallbackServerContext& context_;
  std::atomic<bool> cancelled_ = false;
};

}  // namespace patchserve
