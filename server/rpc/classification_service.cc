#include "server/rpc/classification_service.h"

#include <atomic>
#include <utility>

#include "absl/time/clock.h"
#include "server/rpc/classify_stream.h"
#include "server/rpc/deadline.h"
#include "server/rpc/messages.h"
#include "server/rpc/status.h"

namespace patchserve {
namespace {

// One Classify call. Lives from the handler to OnDone, which gRPC calls after
// Finish: so the request's bytes can be borrowed until the answer is there.
class ClassifyCall final : public grpc::ServerUnaryReactor {
 public:
  ClassifyCall(Classifier& classifier, OpenCalls& open_calls, grpc::CallbackServerContext& context,
               const v1::ClassifyRequest& message, v1::ClassifyResponse& response)
      : classifier_(classifier),
        open_calls_(open_calls),
        context_(context),
        message_(message),
        response_(response) {
    open_calls_.Opened();
    const absl::Time arrival = absl::Now();
    absl::StatusOr<ClassifyRequest> request = ReadRequest(message);
    if (!request.ok()) {
      classifier.Refuse({.model = message.model(), .arrival = arrival}, request.status(),
                        Answering());
      return;
    }
    request->arrival = arrival;
    request->deadline = DeadlineOf(context);
    request->cancelled = &cancelled_;
    classifier.Classify(*std::move(request), Answering());
  }

  // Also when the client's deadline has passed.
  void OnCancel() override {
    cancelled_ = true;
    classifier_.NoticeCancelled();
  }
  void OnDone() override {
    open_calls_.Closed();
    delete this;
  }

 private:
  AnswerCallback Answering() {
    return [this](absl::StatusOr<Answer> answer) {
      if (answer.ok()) WriteResponse(*answer, message_, response_);
      Finish(ToGrpc(answer.status(), context_));  // this may be gone from here on
    };
  }

  Classifier& classifier_;
  OpenCalls& open_calls_;
  grpc::CallbackServerContext& context_;
  const v1::ClassifyRequest& message_;
  v1::ClassifyResponse& response_;
  std::atomic<bool> cancelled_ = false;
};

}  // namespace

ClassificationService::ClassificationService(Classifier& classifier, const ModelRegistry& registry,
                                             int stream_window)
    : classifier_(classifier), registry_(registry), stream_window_(stream_window) {}

grpc::ServerUnaryReactor* ClassificationService::Classify(grpc::CallbackServerContext* context,
                                                          const v1::ClassifyRequest* request,
                                                          v1::ClassifyResponse* response) {
  return new ClassifyCall(classifier_, open_calls_, *context, *request, *response);
}

grpc::ServerBidiReactor<v1::ClassifyStreamRequest, v1::ClassifyStreamResponse>*
ClassificationService::ClassifyStream(grpc::CallbackServerContext* context) {
  return OpenClassifyStream(classifier_, streams_, stream_window_, *context);
}

grpc::ServerUnaryReactor* ClassificationService::ListModels(grpc::CallbackServerContext* context,
                                                            const v1::ListModelsRequest*,
                                                            v1::ListModelsResponse* response) {
  for (const ModelEntry& entry : registry_.List()) {
    *response->add_models() = WriteModel(entry, entry.name == registry_.default_model());
  }
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerUnaryReactor* ClassificationService::GetModel(grpc::CallbackServerContext* context,
                                                          const v1::GetModelRequest* request,
                                                          v1::GetModelResponse* response) {
  absl::StatusOr<ModelEntry> entry = registry_.Get(request->name());
  if (entry.ok()) {
    *response->mutable_model() = WriteModel(*entry, entry->name == registry_.default_model());
  }
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(ToGrpc(entry.status()));
  return reactor;
}

}  // namespace patchserve
