#include "tests/client/fake_server.h"

#include <grpcpp/server_builder.h>

#include <chrono>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace patchserve {

FakeServer::FakeServer(Answer answer, EndStream end_stream,
                       std::shared_ptr<grpc::ServerCredentials> credentials)
    : answer_(std::move(answer)), end_stream_(std::move(end_stream)) {
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", credentials, &port);
  builder.RegisterService(this);
  builder.SetMaxReceiveMessageSize(64 << 20);
  server_ = builder.BuildAndStart();
  address_ = "127.0.0.1:" + std::to_string(port);
}

FakeServer::~FakeServer() { server_->Shutdown(std::chrono::system_clock::now()); }

grpc::Status FakeServer::ClassifyStream(grpc::ServerContext* context, Stream* stream) {
  std::mutex mutex;
  bool ended = false;                   // guarded by mutex
  std::vector<std::jthread> answering;  // joined before the two above go
  const auto answer = [&](v1::ClassifyRequest request) {
    v1::ClassifyStreamResponse response;
    response.set_id(request.id());
    const grpc::Status status = answer_(*context, request, *response.mutable_response());
    if (!status.ok()) {
      response.mutable_error()->set_code(status.error_code());
      response.mutable_error()->set_message(status.error_message());
      if (!status.error_details().empty()) {
        response.mutable_error()->mutable_retry_after()->ParseFromString(status.error_details());
      }
    }
    std::lock_guard lock(mutex);
    if (!ended) stream->Write(response);
  };
  for (v1::ClassifyStreamRequest message; stream->Read(&message);) {
    {
      std::lock_guard lock(mutex);
      const std::optional<grpc::Status> end = end_stream_(message);
      ended = end.has_value();
      if (ended) return *end;
    }
    answering.emplace_back(answer, message.request());
  }
  return grpc::Status::OK;
}

grpc::Status FakeServer::PictureOfItsBytes(grpc::ServerContext&, const v1::ClassifyRequest& request,
                                           v1::ClassifyResponse& response) {
  response.set_model(request.model().empty() ? "default" : request.model());
  response.set_version("0123456789ab");
  v1::Prediction& prediction = *response.add_predictions();
  prediction.set_class_id(7);
  prediction.set_label(request.encoded());
  prediction.set_probability(0.75f);
  return grpc::Status::OK;
}

}  // namespace patchserve
