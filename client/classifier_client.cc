#include "client/classifier_client.h"

#include <grpc/grpc.h>
#include <grpcpp/grpcpp.h>

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/retry_policy.h"

namespace patchserve {
namespace {

// Only the calls that may be repeated: a stream that has sent answers may not.
std::string ServiceConfig() {
  return absl::StrFormat(R"({
  "methodConfig": [{
    "name": [
      {"service": "patchserve.v1.ImageClassification", "method": "Classify"},
      {"service": "patchserve.v1.ImageClassification", "method": "ListModels"},
      {"service": "patchserve.v1.ImageClassification", "method": "GetModel"}
    ],
    "retryPolicy": {
      "maxAttempts": %d,
      "initialBackoff": "%gs",
      "maxBackoff": "%gs",
      "backoffMultiplier": 2,
      "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"]
    }
  }]
})",
                         kRetryTries, absl::ToDoubleSeconds(kRetryFirstWait),
                         absl::ToDoubleSeconds(kRetryLongestWait));
}

// gRPC gives up retrying a call whose request is larger than this; its default of
// 256 KiB is less than most photos.
constexpr int kRetryBufferBytes = 64 << 20;

// One call under way.
struct Call {
  Call(std::string image, const ClassifyOptions& options) : deadline(options.deadline) {
    request.set_model(options.model);
    if (options.top_k) request.set_top_k(*options.top_k);
    request.set_encoded(std::move(image));
    if (deadline != absl::InfiniteDuration()) {
      context.set_deadline(absl::ToChronoTime(absl::Now() + deadline));
    }
  }

  ClassifierClient::Answer Result(const grpc::Status& status) {
    if (status.ok()) return std::move(response);
    const auto code = static_cast<absl::StatusCode>(status.error_code());
    // gRPC's own words for a deadline that passed on this side.
    if (status.error_message() == "Deadline Exceeded") {
      return absl::Status(code, absl::StrCat("no answer within ", absl::FormatDuration(deadline)));
    }
    return absl::Status(code, status.error_message());
  }

  absl::Duration deadline;
  grpc::ClientContext context;
  v1::ClassifyRequest request;
  v1::ClassifyResponse response;
};

}  // namespace

std::shared_ptr<grpc::Channel> Connect(const std::string& server, const ConnectOptions& options) {
  // Keeps gRPC up until the process ends. When its last user goes away, gRPC 1.51
  // waits for a thread that, after a large request, often sleeps for 10 s more.
  [[maybe_unused]] static const bool kept = (grpc_init(), true);
  grpc::ChannelArguments arguments;
  if (options.retry) {
    arguments.SetServiceConfigJSON(ServiceConfig());
    arguments.SetInt(GRPC_ARG_PER_RPC_RETRY_BUFFER_SIZE, kRetryBufferBytes);
  }
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, options.own_connection);
  arguments.SetLoadBalancingPolicyName("round_robin");
  if (!options.security.server_name.empty()) {
    arguments.SetSslTargetNameOverride(options.security.server_name);
  }
  return grpc::CreateCustomChannel(server, MakeChannelCredentials(options.security), arguments);
}

ClassifierClient::ClassifierClient(std::shared_ptr<grpc::Channel> channel)
    : stub_(v1::ImageClassification::NewStub(std::move(channel))) {}

ClassifierClient::Answer ClassifierClient::Classify(std::string image,
                                                    const ClassifyOptions& options) const {
  Call call(std::move(image), options);
  return call.Result(stub_->Classify(&call.context, call.request, &call.response));
}

void ClassifierClient::ClassifyAsync(std::string image, const ClassifyOptions& options,
                                     Done done) const {
  auto call = std::make_shared<Call>(std::move(image), options);
  Call& started = *call;
  stub_->async()->Classify(&started.context, &started.request, &started.response,
                           // std::function wants a copyable function, hence the pointers.
                           [call = std::move(call), done = std::make_shared<Done>(std::move(done))](
                               const grpc::Status& status) mutable {
                             Answer answer = call->Result(status);
                             // The context holds the channel, which must not die on a thread of
                             // gRPC: let go of it before `done` lets the owner destroy the client.
                             call.reset();
                             std::move (*done)(std::move(answer));
                           });
}

}  // namespace patchserve
