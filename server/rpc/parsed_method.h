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

// A unary method's handler: `good` gets what could be parsed, `bad` makes the answer to the rest.
template <typename Request, typename Response>
class ParsedMethod final : public grpc::internal::MethodHandler {
 public:
  using Good = std::function<grpc::ServerUnaryReactor*(grpc::CallbackServerContext*, const Request*,
                                                       Response*)>;
  using Bad = std::function<grpc::ServerUnaryReactor*(grpc::CallbackServerContext*)>;

  ParsedMethod(Good good, Bad bad)
      : good_(std::move(good)),
        bad_([bad = std::move(bad)](grpc::CallbackServerContext* context, const Request*,
                                    Response*) { return bad(context); }) {}

  void RunHandler(const HandlerParameter& call) override {
    if (call.status.ok()) return good_.RunHandler(call);
    // As if it had been parsed: `bad` doesn't look at it.
    bad_.RunHandler(HandlerParameter(call.call, call.server_context, call.request, grpc::Status::OK,
                                     call.internal_data, call.call_requester));
  }

  void* Deserialize(grpc_call* call, grpc_byte_buffer* message, grpc::Status* status,
                    void** handler_data) override {
    return good_.Deserialize(call, message, status, handler_data);
  }

 private:
  grpc::internal::CallbackUnaryHandler<Request, Response> good_, bad_;
};

// The handler of one of a service's unary methods, for its MarkMethodCallback.
template <typename Service, typename Request, typename Response, typename Bad>
ParsedMethod<Request, Response>* ParsedUnary(
    Service* service,
    grpc::ServerUnaryReactor* (Service::*method)(grpc::CallbackServerContext*, const Request*,
                                                 Response*),
    Bad bad) {
  return new ParsedMethod<Request, Response>(
      [service, method](grpc::CallbackServerContext* context, const Request* request,
                        Response* response) {
        return (service->*method)(context, request, response);
      },
      std::move(bad));
}

}  // namespace patchserve
