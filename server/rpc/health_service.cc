#include "server/rpc/health_service.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/quote.h"
#include "server/rpc/parsed_method.h"
#include "server/rpc/status.h"

namespace patchserve {

// One Watch call: sends the newest status whenever it isn't the one sent last; a
// slow client misses intermediate ones.
class HealthWatch final : public grpc::ServerWriteReactor<HealthService::Response> {
 public:
  HealthWatch(HealthService& service, std::string name)
      : service_(service), name_(std::move(name)) {}

  const std::string& name() const { return name_; }

  // Needs the service's mutex, as the next.
  void Show(HealthService::Response::ServingStatus status) {
    service_.mutex_.AssertHeld();
    newest_ = status;
    if (writing_ || finished_ || newest_ == response_.status()) return;
    response_.set_status(newest_);
    writing_ = true;
    StartWrite(&response_);
  }

  void End(const grpc::Status& status) {
    service_.mutex_.AssertHeld();
    if (std::exchange(finished_, true)) return;
    Finish(status);
  }

  void OnWriteDone(bool ok) override {
    Lock lock(service_.mutex_);
    writing_ = false;
    if (ok) {
      Show(newest_);
    } else {
      End(grpc::Status::CANCELLED);
    }
  }

  void OnCancel() override {
    Lock lock(service_.mutex_);
    End(grpc::Status::CANCELLED);
  }

  void OnDone() override {
    {
      Lock lock(service_.mutex_);
      service_.watches_.erase(this);
    }
    delete this;
  }

 private:
  HealthService& service_;
  const std::string name_;
  // UNKNOWN, which is never shown, until something is sent.
  HealthService::Response response_ ABSL_GUARDED_BY(service_.mutex_);
  HealthService::Response::ServingStatus newest_ ABSL_GUARDED_BY(service_.mutex_) =
      HealthService::Response::UNKNOWN;
  bool writing_ ABSL_GUARDED_BY(service_.mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(service_.mutex_) = false;
};

// The answer to a Watch without a message.
class RefusedWatch final : public grpc::ServerWriteReactor<HealthService::Response> {
 public:
  explicit RefusedWatch(const grpc::Status& why) { Finish(why); }
  void OnDone() override { delete this; }
};

HealthService::HealthService(const std::function<void()>& refused) {
  // A call whose message never came isn't counted: its caller has gone.
  const auto why = [refused](const absl::Status& why) {
    if (absl::IsCancelled(why)) return NoMessage();
    refused();
    return why;
  };
  const auto mark = [this](int method, grpc::internal::MethodHandler* handler) {
    MarkMethodStreamed(method, nullptr);
    MarkMethodCallback(method, handler);
  };
  // By their numbers in the .proto.
  mark(0, ParsedUnary(this, &HealthService::Check,
                      [why](grpc::CallbackServerContext* context, const absl::Status& read) {
                        return Answered(*context, why(read));
                      }));
  using Request = grpc::health::v1::HealthCheckRequest;
  mark(1, ParsedServerStreaming<Request, Response>(
              [this](grpc::CallbackServerContext* context, const Request* request) {
                return Watch(context, request);
              },
              [why](grpc::CallbackServerContext* context, const absl::Status& read) {
                return new RefusedWatch(ToGrpc(why(read), *context));
              }));
}

void HealthService::Set(const std::string& name, bool serving) {
  Lock lock(mutex_);
  serving_[name] = serving && !serving_ended_;
  Publish(name);
}

void HealthService::EndServing(const std::string& except) {
  Lock lock(mutex_);
  serving_ended_ = true;
  for (auto& [name, serving] : serving_) {
    if (!except.empty() && name == except) continue;
    serving = false;
    Publish(name);
  }
}

bool HealthService::Serving(const std::string& name) const {
  Lock lock(mutex_);
  return StatusOf(name) == Response::SERVING;
}

void HealthService::Publish(const std::string& name) {
  for (HealthWatch* watch : watches_) {
    if (watch->name() == name) watch->Show(StatusOf(name));
  }
}

void HealthService::EndWatches() {
  Lock lock(mutex_);
  watches_ended_ = true;
  for (HealthWatch* watch : watches_) {
    watch->End({grpc::StatusCode::UNAVAILABLE, "the server is shutting down"});
  }
}

HealthService::Response::ServingStatus HealthService::StatusOf(const std::string& name) const {
  auto it = serving_.find(name);
  if (it == serving_.end()) return Response::SERVICE_UNKNOWN;
  return it->second ? Response::SERVING : Response::NOT_SERVING;
}

grpc::ServerUnaryReactor* HealthService::Check(grpc::CallbackServerContext* context,
                                               const grpc::health::v1::HealthCheckRequest* request,
                                               Response* response) {
  Lock lock(mutex_);
  response->set_status(StatusOf(request->service()));
  if (response->status() != Response::SERVICE_UNKNOWN) return Answered(*context);
  return Answered(*context, absl::NotFoundError(
                                absl::StrCat("nothing is known of ", Quote(request->service()))));
}

grpc::ServerWriteReactor<HealthService::Response>* HealthService::Watch(
    grpc::CallbackServerContext*, const grpc::health::v1::HealthCheckRequest* request) {
  auto* watch = new HealthWatch(*this, request->service());
  Lock lock(mutex_);
  watches_.insert(watch);
  if (watches_ended_) {
    watch->End({grpc::StatusCode::UNAVAILABLE, "the server is shutting down"});
  } else {
    watch->Show(StatusOf(request->service()));
  }
  return watch;
}

}  // namespace patchserve
