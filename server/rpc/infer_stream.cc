#include "server/rpc/infer_stream.h"

#include <memory>
#include <string>
#include <utility>

#include "server/rpc/infer.h"
#include "server/rpc/request_stream.h"

namespace patchserve {
namespace {

using Request = inference::ModelInferRequest;
using Response = inference::ModelStreamInferResponse;

class InferStream final : public RequestStream<Request, Response> {
 public:
  using RequestStream::RequestStream;

 private:
  void Handle(std::unique_ptr<Request> message, Place place) override {
    auto answer = std::make_unique<Response>();
    const Request& request = *message;
    inference::ModelInferResponse& response = *answer->mutable_infer_response();
    // Message and answer live as long as the callback.
    Infer(
        services_.classifier, services_.registry, request, caller(place), response,
        [this, place, message = std::move(message),
         answer = std::move(answer)](const absl::StatusOr<std::vector<Answer>>& images) mutable {
          // As Triton: a request has one answer, which is its last.
          (*answer->mutable_infer_response()->mutable_parameters())["triton_final_response"]
              .set_bool_param(true);
          if (!images.ok()) {
            // Never empty: that would mean success.
            answer->set_error_message(images.status().ToString(absl::StatusToStringMode::kDefault));
            answer->mutable_infer_response()->set_id(message->id());
          }
          Answered(place, std::move(answer), OutcomeOf(message->model_name(), images));
        });
  }
};

}  // namespace

grpc::ServerBidiReactor<grpc::ByteBuffer, Response>* OpenInferStream(
    const Services& services, const grpc::CallbackServerContext& context) {
  auto* stream = new InferStream(services, AnswerOrder::kAsRead, context);
  stream->Start();
  return stream;
}

}  // namespace patchserve
