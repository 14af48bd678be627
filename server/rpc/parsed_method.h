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
  UnparsableCall(Classifier& classifier, OpenCalls& open_calls, AccessLog& access_log,
                 grpc::CallbackServerContext& context)
      : UnaryCall(classifier, open_calls, access_log, context) {
    classifier.Refuse({.model = kNoModel, .arrival = arrival()}, Unparsable(),
                      [this](const absl::StatusOr<Answer>& refusal) {
                        End({"", refusal.status(), {}});
                      });
  }

  // "" would be the default one.
  static constexpr char kNoModel[] = "?";
};

// A method's handler: `good` gets what could be parsed, `bad` makes the answer to the rest, without
// a look at the message. Handler: gRPC's for the kind of method.
template <typename Handler>
class ParsedMethod final : public grpc::internal::MethodHandler {
 public:
  template <typename Good, typename Bad>
  ParsedMethod(Good good, Bad bad) : good_(std::move(good)), bad_(std::move(bad)) {}

  void RunHandler(const HandlerParameter& call) override {
    if (call.status.ok()) return good_.RunHandler(call);
    // As if it had been parsed.
    bad_.RunHandler(HandlerParameter(call.call, call.server_context, call.request, grpc::Status::OK,
                                     call.internal_data, call.call_requester));
  }

  void* Deserialize(grpc_call* call, grpc_byte_buffer* message, grpc::Status* status,
                    void** handler_data) override {
    return good_.Deserialize(call, message, status, handler_data);
  }

 private:
  Handler good_, bad_;
};

// The handler of one of a service's unary methods, for its MarkMethodCallback.
template <typename Service, typename Request, typename Response, typename Bad>
auto* ParsedUnary(Service* service,
                  grpc::ServerUnaryReactor* (Service::*method)(grpc::CallbackServerContext*,
                                                               const Request*, Response*),
                  Bad bad) {
  using Handler = grpc::internal::CallbackUnaryHandler<Request, Response>;
  return new ParsedMethod<Handler>(
      [service, method](grpc::CallbackServerContext* context, const Request* request,
                        Response* response) {
        return (service->*method)(context, request, response);
      },
      [bad = std::move(bad)](grpc::CallbackServerContext* context, const Request*, Response*) {
        return bad(context);
      });
}

}  // namespace patchserve
