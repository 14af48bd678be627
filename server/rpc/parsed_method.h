// Methods whose messages gRPC couldn't parse: its callback API answers those UNIMPLEMENTED,
// without a text, and no handler hears of it.
#pragma once

#include <functional>
#include <utility>

#include "grpcpp/grpcpp.h"
#include "grpcpp/impl/rpc_service_method.h"
#include "server/rpc/unary_call.h"

namespace patchserve {

inline absl::Status Unparsable() {
  return absl::InvalidArgumentError("the message can't be parsed as what the method takes");
}

// Answers one such call, counts it under the model "", and notes it in the access log.
class UnparsableCall final : public UnaryCall {
 public:
  UnparsableCall(const Services& services, grpc::CallbackServerContext& context)
      : UnaryCall(services, context) {
    services.classifier.Refuse({.model = kNoModel, .arrival = arrival()}, Unparsable(),
                               [this](const absl::StatusOr<Answer>& refusal) {
                                 End({kNoModel, refusal.status(), {}});
                               });
  }

  // "" would be the default one.
  static constexpr char kNoModel[] = "?";
};

// Reads the one message of a call, whose handler was asked before it came. Deletes itself.
template <typename Request>
class OneMessage {
 public:
  // `done` gets whether a message came and could be parsed.
  static void Read(grpc::internal::Call* call, Request* message, std::function<void(bool)> done) {
    auto* read = new OneMessage(std::move(done));
    read->read_.RecvMessage(message);
    const auto came = [read](bool ok) {
      const std::function<void(bool)> done = std::move(read->done_);
      delete read;
      done(ok);
    };
    // Inline, as gRPC's own start of a handler.
    read->tag_.Set(call->call(), came, &read->read_, /*can_inline=*/true);
    read->read_.set_core_cq_tag(&read->tag_);
    call->PerformOps(&read->read_);
  }

 private:
  explicit OneMessage(std::function<void(bool)> done) : done_(std::move(done)) {}

  std::function<void(bool)> done_;
  grpc::internal::CallOpSet<grpc::internal::CallOpRecvMessage<Request>> read_;
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

// A handler of a method that takes one message: `good` gets what could be parsed, `bad` makes the
// answer to the rest, without a look at the message. gRPC has to think that the method takes a
// stream (MarkMethodStreamed), or else a call isn't seen before its message has come
// (call_budget.h). Handler: gRPC's for the kind of method.
template <typename Handler, typename Request>
class ParsedMethod final : public grpc::internal::MethodHandler {
 public:
  using Place = MessagePlace<Request>;

  template <typename Good, typename Bad>
  ParsedMethod(Place (*place)(grpc::internal::Call*), Good good, Bad bad)
      : place_(place), good_(std::move(good)), bad_(std::move(bad)) {}

  void RunHandler(const HandlerParameter& call) override {
    const Place place = place_(call.call);
    OneMessage<Request>::Read(
        call.call, place.request,
        [this, place, grpc_call = call.call, context = call.server_context,
         requester = call.call_requester](bool parsed) {
          Handler& handler = parsed ? good_ : bad_;
          handler.RunHandler(HandlerParameter(grpc_call, context, place.request, grpc::Status::OK,
                                              place.handler_data, requester));
        });
  }

 private:
  Place (*const place_)(grpc::internal::Call*);
  Handler good_, bad_;
};

// The handler of one of a service's unary methods.
template <typename Service, typename Request, typename Response, typename Bad>
grpc::internal::MethodHandler* ParsedUnary(
    Service* service,
    grpc::ServerUnaryReactor* (Service::*method)(grpc::CallbackServerContext*, const Request*,
                                                 Response*),
    Bad bad) {
  using Handler = grpc::internal::CallbackUnaryHandler<Request, Response>;
  using Messages = grpc::internal::DefaultMessageHolder<Request, Response>;
  const auto place = [](grpc::internal::Call* call) -> MessagePlace<Request> {
    grpc::MessageHolder<Request, Response>* messages = NewInCall<Messages>(call);
    return {messages->request(), messages};
  };
  return new ParsedMethod<Handler, Request>(
      place,
      [service, method](grpc::CallbackServerContext* context, const Request* request,
                        Response* response) {
        return (service->*method)(context, request, response);
      },
      [bad = std::move(bad)](grpc::CallbackServerContext* context, const Request*, Response*) {
        return bad(context);
      });
}

// Of one that answers with a stream.
template <typename Request, typename Response, typename Good, typename Bad>
grpc::internal::MethodHandler* ParsedServerStreaming(Good good, Bad bad) {
  using Handler = grpc::internal::CallbackServerStreamingHandler<Request, Response>;
  const auto place = [](grpc::internal::Call* call) -> MessagePlace<Request> {
    return {NewInCall<Request>(call)};
  };
  return new ParsedMethod<Handler, Request>(place, std::move(good), std::move(bad));
}

}  // namespace patchserve
