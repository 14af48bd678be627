#include "server/rpc/classify_stream.h"

#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/proto_duration.h"
#include "server/base/retry_after.h"
#include "server/base/status.h"
#include "server/rpc/messages.h"
#include "server/rpc/request_stream.h"

namespace patchserve {
namespace {

class ClassifyStream final
    : public RequestStream<v1::ClassifyStreamRequest, v1::ClassifyStreamResponse> {
 public:
  using RequestStream::RequestStream;

 private:
  void Handle(std::unique_ptr<v1::ClassifyStreamRequest> message, Place place) override {
    absl::StatusOr<ClassifyRequest> request = Read(*message, caller(place));
    const ClassifyRequest unread{.model = message->request().model(), .arrival = place.arrival};
    // The message lives as long as the callback, and the request borrows from it.
    AnswerCallback done = [this, place,
                           message = std::move(message)](const absl::StatusOr<Answer>& answer) {
      const v1::ClassifyRequest& request = message->request();
      Answered(place, Response(request, answer), OutcomeOf(request.model(), answer));
    };
    if (request.ok()) {
      services_.classifier.Classify(*std::move(request), std::move(done));
    } else {
      services_.classifier.Refuse(unread, request.status(), std::move(done));
    }
  }

  static absl::StatusOr<ClassifyRequest> Read(const v1::ClassifyStreamRequest& message,
                                              const Caller& caller) {
    ASSIGN_OR_RETURN(ClassifyRequest request, ReadRequest(message.request()));
    request.message_bytes = static_cast<int64_t>(message.SpaceUsedLong());
    // Without a timeout of its own a request has the model's default, within the stream's time.
    absl::Time deadline = absl::InfiniteFuture();
    if (message.has_timeout()) {
      const absl::Duration timeout = ToAbsl(message.timeout());
      if (timeout <= absl::ZeroDuration()) {
        return absl::InvalidArgumentError(
            absl::StrCat("timeout is ", absl::FormatDuration(timeout), "; it must be positive"));
      }
      deadline = caller.arrival + timeout;
    }
    FillIn(caller, deadline, request);
    return request;
  }

  static std::unique_ptr<v1::ClassifyStreamResponse> Response(
      const v1::ClassifyRequest& request, const absl::StatusOr<Answer>& answer) {
    auto response = std::make_unique<v1::ClassifyStreamResponse>();
    response->set_id(request.id());
    if (answer.ok()) {
      WriteResponse(*answer, request, *response->mutable_response());
    } else {
      response->mutable_error()->set_code(static_cast<int>(answer.status().code()));
      response->mutable_error()->set_message(std::string(answer.status().message()));
      const std::optional<absl::Duration> pause = RetryAfter(answer.status());
      if (pause && *pause != absl::InfiniteDuration()) {
        *response->mutable_error()->mutable_retry_after() = ToProto(*pause);
      }
    }
    return response;
  }
};

}  // namespace

grpc::ServerBidiReactor<grpc::ByteBuffer, v1::ClassifyStreamResponse>* OpenClassifyStream(
    const Services& services, const grpc::CallbackServerContext& context) {
  auto* stream = new ClassifyStream(services, AnswerOrder::kAny, context);
  stream->Start();
  return stream;
}

}  // namespace patchserve
