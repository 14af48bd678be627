// Asks a patchserve server what is in a picture.
//
//   ClassifierClient client(Connect("127.0.0.1:8001"));
//   auto answer = client.Classify(jpeg_bytes, {.model = "vit", .deadline = absl::Seconds(2)});
#pragma once

#include <grpcpp/channel.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/security.h"
#include "patchserve/v1/classification.grpc.pb.h"

namespace patchserve {

struct ConnectOptions {
  // Whether a call that is answered UNAVAILABLE or RESOURCE_EXHAUSTED is tried again
  // within its deadline: five times in all, after 50 ms doubling up to 2 s, or after
  // the time that the server names (grpc-retry-pushback-ms). Streams never are.
  bool retry = true;
  // Otherwise channels to one server with the same options share a connection.
  bool own_connection = false;
  // Plaintext by default.
  Security security;
};

// A channel to `server` ("host:port", or any name that gRPC resolves, such as
// dns:///patchserve-headless:8001): calls take turns on all of its addresses.
//
// Returns at once; the first call connects. Over any other channel the client
// works too, without retries unless that channel has a service config of its own.
std::shared_ptr<grpc::Channel> Connect(const std::string& server,
                                       const ConnectOptions& options = {});

struct ClassifyOptions {
  // Empty: the server's default model.
  std::string model;
  // How many classes to return. Unset: the server's default, 5.
  std::optional<int> top_k;
  // Time for the call, its retries included. absl::InfiniteDuration(): no limit
  // but the server's own.
  absl::Duration deadline = absl::Seconds(10);
};

// Thread-safe: any number of threads may call at once, over one connection.
//
// Errors of both calls are the server's status, code and message unchanged (the
// codes and what to do about each: patchserve/v1/classification.proto), or
// gRPC's own: UNAVAILABLE if there is no server, DEADLINE_EXCEEDED if no answer
// came in time. They come after the channel's retries.
class ClassifierClient {
 public:
  using Answer = absl::StatusOr<v1::ClassifyResponse>;
  using Done = absl::AnyInvocable<void(Answer) &&>;

  explicit ClassifierClient(std::shared_ptr<grpc::Channel> channel);

  // Classifies one image file (JPEG, PNG, WebP or BMP), given as its bytes.
  // Blocks until the answer or the error is there.
  Answer Classify(std::string image, const ClassifyOptions& options) const;

  // Likewise without blocking: `done` runs exactly once, on a thread of gRPC, on
  // which it must not wait for another call. Keep the client until then, and don't
  // destroy it in `done`.
  void ClassifyAsync(std::string image, const ClassifyOptions& options, Done done) const;

 private:
  std::unique_ptr<v1::ImageClassification::Stub> stub_;
};

// ClassifyAsync of a client or of a stream, for code that takes either.
using ClassifyFunction =
    std::function<void(std::string image, const ClassifyOptions&, ClassifierClient::Done)>;

// `client` is a ClassifierClient or a StreamClassifier; the function keeps it.
template <typename Client>
ClassifyFunction FunctionOf(std::shared_ptr<Client> client) {
  return [client = std::move(client)](std::string image, const ClassifyOptions& options,
                                      ClassifierClient::Done done) {
    client->ClassifyAsync(std::move(image), options, std::move(done));
  };
}

}  // namespace patchserve
