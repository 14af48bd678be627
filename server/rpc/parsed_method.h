// Methods that take one message, which is parsed here: gRPC's callback API answers one that can't
// be UNIMPLEMENTED, without a text, and no handler hears of it.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/impl/rpc_service_method.h"
#include "server/rpc/parse.h"
#include "server/rpc/unary_call.h"

namespace patchserve {

// "" would be the default one.
inline constexpr char kNoModel[] = "?";

inline absl::Status NoMessage() { return absl::InvalidArgumentError("the call has no message"); }

// Counts a call or message that was no request under the model "", and notes it.
inline void CountRefused(const Services& services, const grpc::CallbackServerContext& context,
                         absl::Time arrival, const absl::Status& why) {
  services.classifier.Refuse(
      {.model = kNoModel, .arrival = arrival}, why, [&](const absl::StatusOr<Answer>& refusal) {
        services.access_log.Note(context, arrival, {kNoModel, refusal.status(), {}});
      });
}

// Answers a call whose message wasn't what the method takes.
class RefusedCall final : public UnaryCall {
 public:
  RefusedCall(const Services& services, grpc::CallbackServerContext& context,
              const absl::Status& why)
      : UnaryCall(services, context) {
    CountRefused(services, context, arrival(), why);
    Finish(ToGrpc(why));
  }
};

// Answers a call whose message never came. Most callers of such gave up while they sent it.
class EmptyCall final : public grpc::ServerUnaryReactor {
 public:
  EmptyCall(const Services& services, grpc::CallbackServerContext& context)
      : services_(services), context_(context) {
    Finish(ToGrpc(NoMessage()));
  }
  void OnDone() override {
    const absl::Status gave_up = absl::CancelledError("the caller gave up before it had sent all");
    CountRefused(services_, context_, arrival_, context_.IsCancelled() ? gave_up : NoMessage());
    delete this;
  }

 private:
  const Services& services_;
  grpc::CallbackServerContext& context_;
  const absl::Time arrival_ = SteadyNow();
};

// What the methods of a service that counts its calls answer in place of a message that isn't
// theirs.
inline auto Refusing(const Services& services) {
  return [&services](grpc::CallbackServerContext* context,
                     const absl::Status& why) -> grpc::ServerUnaryReactor* {
    if (absl::IsCancelled(why)) return new EmptyCall(services, *context);
    return new RefusedCall(services, *context, why);
  };
}

// Reads the one message of a call, whose handler was asked before it came. Deletes itself.
class OneMessage {
 public:
  // `done` gets what came; null: nothing did.
  using Done = std::function<void(grpc::ByteBuffer* message)>;

  static void Read(grpc::internal::Call* call, Done done) {
    auto* read = new OneMessage(std::move(done));
    read->read_.RecvMessage(&read->message_);
    const auto came = [read](bool ok) {
      const std::unique_ptr<OneMessage> owned(read);
      read->done_(ok ? &read->message_ : nullptr);
    };
    // Inline, as gRPC's own start of a handler.
    read->tag_.Set(call->call(), came, &read->read_, /*can_inline=*/true);
    read->read_.set_core_cq_tag(&read->tag_);
    call->PerformOps(&read->read_);
  }

 private:
  explicit OneMessage(Done done) : done_(std::move(done)) {}

  const Done done_;
  grpc::ByteBuffer message_;
  grpc::internal::CallOpSet<grpc::internal::CallOpRecvMessage<grpc::ByteBuffer>> read_;
  grpc::internal::CallbackWithSuccessTag tag_;
};

template <typename T>
T* NewInCall(grpc::internal::Call* call) {
  return new (grpc::g_core_codegen_interface->grpc_call_arena_alloc(call->call(), sizeof(T))) T();
}

// Where a call's message goes, as gRPC's handlers of each kind of method want it.
template <typename Request>
struct MessagePlace {
  Request* request = nullptr;
  void* handler_data = nullptr;
};

// A handler of a method that takes one message: `good` gets it, `bad` makes the answer where there
// is none and gets why: what Parse says, or CANCELLED where nothing came. gRPC has to think that
// the method takes a stream (MarkMethodStreamed), or else a call isn't seen before its message has
// come (call_budget.h). Handler: gRPC's for the kind of method.
template <typename Handler, typename Request, typename Bad>
class ParsedMethod final : public grpc::internal::MethodHandler {
 public:
  using Place = MessagePlace<Request>;

  template <typename Good>
  ParsedMethod(int64_t longest, Place (*place)(grpc::internal::Call*), Good good, Bad bad)
      : longest_(longest), place_(place), good_(std::move(good)), bad_(std::move(bad)) {}

  void RunHandler(const HandlerParameter& call) override {
    OneMessage::Read(call.call, [this, grpc_call = call.call, context = call.server_context,
                                 requester = call.call_requester](grpc::ByteBuffer* message) {
      const Place place = place_(grpc_call);
      const absl::Status read = Read(message, *place.request);
      const HandlerParameter parameter(grpc_call, context, place.request, grpc::Status::OK,
                                       place.handler_data, requester);
      if (read.ok()) return good_.RunHandler(parameter);
      Handler([this, &read](grpc::CallbackServerContext* call, const auto*...) {
        return bad_(call, read);
      }).RunHandler(parameter);
    });
  }

 private:
  absl::Status Read(grpc::ByteBuffer* message, Request& request) const {
    if (message == nullptr) return absl::CancelledError();
    if (static_cast<int64_t>(message->Length()) > longest_) {
      return absl::InvalidArgumentError(
          absl::StrCat("what this method takes has at most ", longest_, " bytes"));
    }
    return Parse(std::exchange(*message, {}), request);
  }

  const int64_t longest_;
  Place (*const place_)(grpc::internal::Call*);
  Handler good_;
  const Bad bad_;
};

// Bytes of a message: where it holds names and the like; and where images, the transport's limit.
inline constexpr int64_t kLongestWithoutImage = 4 << 10;
inline constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

// The handler of one of a service's unary methods.
template <typename Service, typename Request, typename Response, typename Bad>
grpc::internal::MethodHandler* ParsedUnary(
    Service* service,
    grpc::ServerUnaryReactor* (Service::*method)(grpc::CallbackServerContext*, const Request*,
                                                 Response*),
    Bad bad, int64_t longest = kLongestWithoutImage) {
  using Handler = grpc::internal::CallbackUnaryHandler<Request, Response>;
  using Messages = grpc::internal::DefaultMessageHolder<Request, Response>;
  const auto place = [](grpc::internal::Call* call) -> MessagePlace<Request> {
    grpc::MessageHolder<Request, Response>* messages = NewInCall<Messages>(call);
    return {messages->request(), messages};
  };
  return new ParsedMethod<Handler, Request, Bad>(
      longest, place,
      [service, method](grpc::CallbackServerContext* context, const Request* request,
                        Response* response) {
        return (service->*method)(context, request, response);
      },
      std::move(bad));
}

// Of one that answers with a stream.
template <typename Request, typename Response, typename Good, typename Bad>
grpc::internal::MethodHandler* ParsedServerStreaming(Good good, Bad bad) {
  using Handler = grpc::internal::CallbackServerStreamingHandler<Request, Response>;
  const auto place = [](grpc::internal::Call* call) -> MessagePlace<Request> {
    return {NewInCall<Request>(call)};
  };
  return new ParsedMethod<Handler, Request, Bad>(kLongestWithoutImage, place, std::move(good),
                                                 std::move(bad));
}

}  // namespace patchserve
