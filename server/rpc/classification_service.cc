#include "server/rpc/classification_service.h"

#include <utility>

#include "server/rpc/caller.h"
#include "server/rpc/classify_stream.h"
#include "server/rpc/messages.h"
#include "server/rpc/parsed_method.h"
#include "server/rpc/status.h"
#include "server/rpc/unary_call.h"

namespace patchserve {
namespace {

class ClassifyCall final : public UnaryCall {
 public:
  ClassifyCall(const Services& services, grpc::CallbackServerContext& context,
               const v1::ClassifyRequest& message, v1::ClassifyResponse& response)
      : UnaryCall(services, context), message_(message), response_(response) {
    absl::StatusOr<ClassifyRequest> request = ReadRequest(message);
    if (!request.ok()) {
      services.classifier.Refuse({.model = message.model(), .arrival = arrival()}, request.status(),
                                 Answering());
      return;
    }
    const Caller from = caller();
    FillIn(from, from.deadline, *request);
    services.classifier.Classify(*std::move(request), Answering());
  }

 private:
  AnswerCallback Answering() {
    return [this](absl::StatusOr<Answer> answer) {
      if (answer.ok()) WriteResponse(*answer, message_, response_);
      End(OutcomeOf(message_.model(), answer));
    };
  }

  const v1::ClassifyRequest& message_;
  v1::ClassifyResponse& response_;
};

}  // namespace

ClassificationService::ClassificationService(const Services& services) : services_(services) {
  const auto refuse = Refusing(services_);
  const auto mark = [this](int method, grpc::internal::MethodHandler* handler) {
    MarkMethodStreamed(method, nullptr);
    MarkMethodCallback(method, handler);
  };
  // By their numbers in the .proto.
  mark(0, ParsedUnary(this, &ClassificationService::Classify, refuse, kNoLimit));
  MarkMethodCallback(
      1, new grpc::internal::CallbackBidiHandler<grpc::ByteBuffer, v1::ClassifyStreamResponse>(
             [this](grpc::CallbackServerContext* context) {
               return OpenClassifyStream(services_, *context);
             }));
  mark(2, ParsedUnary(this, &ClassificationService::ListModels, refuse));
  mark(3, ParsedUnary(this, &ClassificationService::GetModel, refuse));
}

grpc::ServerUnaryReactor* ClassificationService::Classify(grpc::CallbackServerContext* context,
                                                          const v1::ClassifyRequest* request,
                                                          v1::ClassifyResponse* response) {
  return new ClassifyCall(services_, *context, *request, *response);
}

grpc::ServerUnaryReactor* ClassificationService::ListModels(grpc::CallbackServerContext* context,
                                                            const v1::ListModelsRequest*,
                                                            v1::ListModelsResponse* response) {
  for (const ModelEntry& entry : services_.registry.List()) {
    *response->add_models() =
        WriteModel(entry, entry.name == services_.registry.default_model(), /*with_classes=*/false);
  }
  return Answered(*context);
}

grpc::ServerUnaryReactor* ClassificationService::GetModel(grpc::CallbackServerContext* context,
                                                          const v1::GetModelRequest* request,
                                                          v1::GetModelResponse* response) {
  absl::StatusOr<ModelEntry> entry = services_.registry.Get(request->name());
  if (entry.ok()) {
    *response->mutable_model() = WriteModel(
        *entry, entry->name == services_.registry.default_model(), /*with_classes=*/true);
  }
  return Answered(*context, entry.status());
}

}  // namespace patchserve
