// A patchserve server without models, for tests of the client.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_context.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "patchserve/v1/classification.grpc.pb.h"

namespace patchserve {

// Serves on a free port of 127.0.0.1 from construction to destruction; answers
// Classify and ClassifyStream, each message of a stream on a thread of its own.
class FakeServer : private v1::ImageClassification::Service {
 public:
  // Runs on gRPC's threads, many at once; may block. A status' error_details are
  // Error.retry_after on the wire, where a stream asks.
  using Answer = std::function<grpc::Status(grpc::ServerContext&, const v1::ClassifyRequest&,
                                            v1::ClassifyResponse&)>;

  // Sees each message of a stream; a status ends the stream with it, and nothing that
  // was read before and isn't answered will be.
  using EndStream = std::function<std::optional<grpc::Status>(const v1::ClassifyStreamRequest&)>;

  // Without an `answer`, "photo" is class 7, "photo", with a probability of 0.75.
  explicit FakeServer(
      Answer answer = PictureOfItsBytes, EndStream end_stream = Never,
      std::shared_ptr<grpc::ServerCredentials> credentials = grpc::InsecureServerCredentials());
  ~FakeServer() override;

  // The answer of a model that takes the image's bytes for its label.
  static grpc::Status PictureOfItsBytes(grpc::ServerContext&, const v1::ClassifyRequest& request,
                                        v1::ClassifyResponse& response);

  static std::optional<grpc::Status> Never(const v1::ClassifyStreamRequest&) { return {}; }

  // "127.0.0.1:port".
  const std::string& address() const { return address_; }

 private:
  using Stream = grpc::ServerReaderWriter<v1::ClassifyStreamResponse, v1::ClassifyStreamRequest>;

  grpc::Status Classify(grpc::ServerContext* context, const v1::ClassifyRequest* request,
                        v1::ClassifyResponse* response) override {
    return answer_(*context, *request, *response);
  }
  grpc::Status ClassifyStream(grpc::ServerContext* context, Stream* stream) override;

  Answer answer_;
  EndStream end_stream_;
  std::string address_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace patchserve
