#include "tests/client/fake_server.h"

#include <grpcpp/server_builder.h>

#include <chrono>
#include <utility>

namespace patchserve {

FakeServer::FakeServer(Answer answer) : answer_(std::move(answer)) {
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(this);
  builder.SetMaxReceiveMessageSize(64 << 20);
  server_ = builder.BuildAndStart();
  address_ = "127.0.0.1:" + std::to_string(port);
}

FakeServer::~FakeServer() { server_->Shutdown(std::chrono::system_clock::now()); }

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
