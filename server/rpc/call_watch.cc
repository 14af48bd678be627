#include "server/rpc/call_watch.h"

#include <utility>
#include <vector>

#include "grpcpp/support/server_interceptor.h"
#include "server/base/steady_clock.h"
#include "server/rpc/caller.h"

namespace patchserve {
namespace {

using grpc::experimental::InterceptionHookPoints;

// A client that resets a call as early as this hasn't waited for an answer.
constexpr absl::Duration kAtOnce = absl::Milliseconds(100);

}  // namespace

// Lives as long as the call.
class CallWatch::Watched final : public grpc::experimental::Interceptor {
 public:
  Watched(std::shared_ptr<CallWatch> watch, grpc::ServerContextBase& context)
      : watch_(std::move(watch)),
        context_(context),
        asynchronous_(dynamic_cast<grpc::CallbackServerContext*>(&context) != nullptr),
        opened_(SteadyNow()) {
    Lock lock(watch_->mutex_);
    const auto end = watch_->budget_.Open(context.peer(), opened_, call_);
    lock.unlock();
    watch_->End(end);
  }

  ~Watched() override {
    Lock lock(watch_->mutex_);
    if (reset_) ++watch_->counts_.resets;
    const auto end = watch_->budget_.Close(call_, reset_, SteadyNow());
    lock.unlock();
    watch_->End(end);
  }

  void Intercept(grpc::experimental::InterceptorBatchMethods* batch) override {
    if (batch->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_MESSAGE)) {
      const grpc::ByteBuffer* answer = batch->GetSerializedSendMessage();
      Answer(answer == nullptr ? 0 : answer->Length());
    }
    if (batch->QueryInterceptionHookPoint(InterceptionHookPoints::POST_SEND_MESSAGE)) {
      Lock lock(watch_->mutex_);
      watch_->budget_.Sent(call_);
    }
    if (batch->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_CLOSE)) {
      reset_ = asynchronous_ && context_.IsCancelled() && SteadyNow() < opened_ + kAtOnce &&
               SteadyNow() < TimeOf(context_.raw_deadline());
    }
    batch->Proceed();
  }

 private:
  void Answer(int64_t bytes) {
    Lock lock(watch_->mutex_);
    const auto end = watch_->budget_.Answer(call_, bytes);
    lock.unlock();
    watch_->End(end);
  }

  const std::shared_ptr<CallWatch> watch_;
  grpc::ServerContextBase& context_;
  // Of a synchronous method, as gRPC's own reflection is, IsCancelled runs the interceptors again,
  // without end: whether it was reset isn't asked. It counts as open like any other.
  const bool asynchronous_;
  const absl::Time opened_;
  CallBudget::Call call_ ABSL_GUARDED_BY(watch_->mutex_);
  bool reset_ = false;
};

class CallWatch::Factory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit Factory(std::shared_ptr<CallWatch> watch) : watch_(std::move(watch)) {}

  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* call) override {
    return new Watched(watch_, *call->server_context());
  }

 private:
  const std::shared_ptr<CallWatch> watch_;
};

void CallWatch::Install(std::shared_ptr<CallWatch> watch, grpc::ServerBuilder& builder) {
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> factories;
  factories.push_back(std::make_unique<Factory>(std::move(watch)));
  builder.experimental().SetInterceptorCreators(std::move(factories));
}

void CallWatch::EndWith(std::function<void(const std::string&)> end) {
  Lock lock(mutex_);
  end_ = std::move(end);
}

void CallWatch::Connected(const std::string& peer) {
  Lock lock(mutex_);
  budget_.Connected(peer);
}

CallCounts CallWatch::counts() const {
  Lock lock(mutex_);
  return counts_;
}

void CallWatch::End(const std::optional<EndConnection>& connection) {
  if (!connection) return;
  std::function<void(const std::string&)> end;
  {
    Lock lock(mutex_);
    switch (connection->why) {
      case Misuse::kCalls:
        ++counts_.ended_calls;
        break;
      case Misuse::kMemory:
        ++counts_.ended_memory;
        break;
      case Misuse::kResets:
        ++counts_.ended_resets;
        break;
    }
    end = end_;
  }
  if (end) end(connection->peer);
}

}  // namespace patchserve
