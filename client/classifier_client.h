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
  // Whether gRPC tries calls again by itself, by a service config: five tries in all, after
  // 150 ms doubling up to 2 s, or after the time that the server names. For stubs over this
  // channel; a ClassifierClient tries again by itself, and longer.
  bool grpc_retries = false;
  // Otherwise channels to one server with the same options share a connection.
  bool own_connection = false;
  // Plaintext by default.
  Security security;
};

// A channel to `server` ("host:port", or any name that gRPC resolves, such as
// dns:///patchserve-headless:8001): calls take turns on all of its addresses.
//
// Returns at once; the first call connects. A connection that can't be made is tried
// again after 0.1 s, then more and more seldom, but at least about every 2 s, so that a
// server that comes back is soon found. The client works over any other channel too.
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
  // Whether to return the embedding too; a model without a classifier wants it.
  bool embedding = false;
  bool normalize_embedding = false;  // scaled to length 1; only with embedding
};

// The message that asks for one image file, given as its bytes.
v1::ClassifyRequest MakeRequest(std::string image, const ClassifyOptions& options);

struct ClientOptions {
  // Whether calls that are refused are tried again. Without it each is sent once, but for
  // what the channel's service config says.
  bool retry = true;
};

// Thread-safe: any number of threads may call at once, over one connection.
//
// A call that is refused is tried again until its deadline, unless the options say
// otherwise:
//   UNAVAILABLE         after 0.1 s, doubling up to 2 s, give or take a fifth
//   RESOURCE_EXHAUSTED  after the time that the server names (grpc-retry-pushback-ms), and
//                       if that was too short four times, then after no less than
//                       0.1 s, doubling up to 2 s. -1, or none: never
// When the next try would start after the deadline, the last refusal is the result, at
// once. So without a server a call takes its whole deadline, for ever if that is infinite.
//
// Errors of both calls are the server's status, code and message unchanged (the
// codes and what to do about each: patchserve/v1/classification.proto), or
// gRPC's own: UNAVAILABLE if there is no server, DEADLINE_EXCEEDED if no answer
// came in time. CANCELLED, which nobody here asked for, is UNAVAILABLE: a server ended.
class ClassifierClient {
 public:
  using Answer = absl::StatusOr<v1::ClassifyResponse>;
  using Done = absl::AnyInvocable<void(Answer) &&>;

  explicit ClassifierClient(std::shared_ptr<grpc::Channel> channel, ClientOptions options = {});

  // Classifies one image file (JPEG, PNG, WebP or BMP), given as its bytes.
  // Blocks until the answer or the error is there.
  Answer Classify(std::string image, const ClassifyOptions& options) const;

  // Likewise without blocking: `done` runs exactly once, on a thread of gRPC, on
  // which it must not wait for another call. Keep the client until then, and don't
  // destroy it in `done`.
  void ClassifyAsync(std::string image, const ClassifyOptions& options, Done done) const;

 private:
  class Call;

  const ClientOptions options_;
  const std::unique_ptr<v1::ImageClassification::Stub> stub_;
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
