#include "client/classifier_client.h"

#include <grpc/grpc.h>
#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <future>
#include <optional>
#include <random>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "client/retry_policy.h"

namespace patchserve {
namespace {

// Only the calls that may be repeated: a stream that has sent answers may not. The five tries take
// at least 1.8 s, longer than a server that ends refuses before it closes its connections
// (--refuse_for): a client that balances over two addresses takes half of its tries to that server
// until then.
constexpr char kServiceConfig[] = R"({
  "methodConfig": [{
    "name": [
      {"service": "patchserve.v1.ImageClassification", "method": "Classify"},
      {"service": "patchserve.v1.ImageClassification", "method": "ListModels"},
      {"service": "patchserve.v1.ImageClassification", "method": "GetModel"}
    ],
    "retryPolicy": {
      "maxAttempts": 5,
      "initialBackoff": "0.15s",
      "maxBackoff": "2s",
      "backoffMultiplier": 2,
      "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "CANCELLED"]
    }
  }]
})";

// gRPC gives up retrying a call whose request is larger than this; its default of
// 256 KiB is less than most photos.
constexpr int kRetryBufferBytes = 64 << 20;

// What the server says of the next try (gRFC A6): infinite: none; nullopt: nothing.
std::optional<absl::Duration> Pushback(const grpc::ClientContext& context) {
  const auto& trailer = context.GetServerTrailingMetadata();
  const auto found = trailer.find("grpc-retry-pushback-ms");
  if (found == trailer.end()) return std::nullopt;
  int64_t milliseconds = 0;
  if (!absl::SimpleAtoi(absl::string_view(found->second.data(), found->second.size()),
                        &milliseconds) ||
      milliseconds < 0) {
    return absl::InfiniteDuration();
  }
  return absl::Milliseconds(milliseconds);
}

double Jitter() {
  thread_local std::minstd_rand random{std::random_device()()};
  return std::uniform_real_distribution<double>(-1, 1)(random);
}

}  // namespace

std::shared_ptr<grpc::Channel> Connect(const std::string& server, const ConnectOptions& options) {
  // Keeps gRPC up until the process ends. When its last user goes away, gRPC 1.51
  // waits for a thread that, after a large request, often sleeps for 10 s more.
  [[maybe_unused]] static const bool kept = (grpc_init(), true);
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2000);
  if (options.grpc_retries) {
    arguments.SetServiceConfigJSON(kServiceConfig);
    arguments.SetInt(GRPC_ARG_PER_RPC_RETRY_BUFFER_SIZE, kRetryBufferBytes);
  }
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, options.own_connection);
  arguments.SetLoadBalancingPolicyName("round_robin");
  if (!options.security.server_name.empty()) {
    arguments.SetSslTargetNameOverride(options.security.server_name);
  }
  return grpc::CreateCustomChannel(server, MakeChannelCredentials(options.security), arguments);
}

v1::ClassifyRequest MakeRequest(std::string image, const ClassifyOptions& options) {
  v1::ClassifyRequest request;
  request.set_model(options.model);
  if (options.top_k) request.set_top_k(*options.top_k);
  request.set_embedding(options.embedding);
  request.set_normalize_embedding(options.normalize_embedding);
  request.set_encoded(std::move(image));
  return request;
}

// One call and all its tries. Lives from Start() until its answer is handed over.
class ClassifierClient::Call {
 public:
  Call(const ClassifierClient& client, std::string image, const ClassifyOptions& options, Done done)
      : client_(client),
        allowed_(options.deadline),
        deadline_(absl::Now() + options.deadline),
        done_(std::move(done)),
        request_(MakeRequest(std::move(image), options)) {}

  void Start() {
    ++tries_;
    context_.emplace();
    // So the server knows that no more is asked than before. gRPC's own retries have a header
    // for it that only gRPC can set.
    if (tries_ > 1)
      context_->AddMetadata("patchserve-previous-attempts", std::to_string(tries_ - 1));
    if (deadline_ != absl::InfiniteFuture()) context_->set_deadline(absl::ToChronoTime(deadline_));
    client_.stub_->async()->Classify(&*context_, &request_, &response_,
                                     [this](const grpc::Status& status) { Finished(status); });
  }

 private:
  void Finished(const grpc::Status& status) {
    const absl::StatusCode code = CodeOfUncancelled(status.error_code());
    if (client_.options_.retry && !status.ok()) {
      const absl::Time next = absl::Now() + RetryDelay(code, Pushback(*context_), tries_, Jitter());
      if (next < deadline_) {
        context_.reset();
        response_.Clear();
        // Another one for each wait: the last one's function may not have returned yet.
        alarm_ = std::make_unique<grpc::Alarm>();
        alarm_->Set(absl::ToChronoTime(next), [this](bool) { Start(); });
        return;
      }
    }
    Answer answer = Result(code, status);
    Done done = std::move(done_);
    // The context holds the channel, which must not die on a thread of gRPC: let go of
    // it before `done` lets the owner destroy the client.
    delete this;
    std::move(done)(std::move(answer));
  }

  Answer Result(absl::StatusCode code, const grpc::Status& status) {
    if (status.ok()) return std::move(response_);
    // gRPC's own words for a deadline that passed on this side.
    if (status.error_message() == "Deadline Exceeded") {
      return absl::Status(code, absl::StrCat("no answer within ", absl::FormatDuration(allowed_)));
    }
    return absl::Status(code, status.error_message());
  }

  const ClassifierClient& client_;
  const absl::Duration allowed_;
  const absl::Time deadline_;
  Done done_;
  int tries_ = 0;
  std::optional<grpc::ClientContext> context_;  // of the try that is under way
  std::unique_ptr<grpc::Alarm> alarm_;          // before the next try
  v1::ClassifyRequest request_;
  v1::ClassifyResponse response_;
};

ClassifierClient::ClassifierClient(std::shared_ptr<grpc::Channel> channel, ClientOptions options)
    : options_(options), stub_(v1::ImageClassification::NewStub(std::move(channel))) {}

ClassifierClient::Answer ClassifierClient::Classify(std::string image,
                                                    const ClassifyOptions& options) const {
  std::promise<Answer> promise;
  std::future<Answer> answer = promise.get_future();
  ClassifyAsync(std::move(image), options, [promise = std::move(promise)](Answer answer) mutable {
    promise.set_value(std::move(answer));
  });
  return answer.get();
}

void ClassifierClient::ClassifyAsync(std::string image, const ClassifyOptions& options,
                                     Done done) const {
  (new Call(*this, std::move(image), options, std::move(done)))->Start();
}

}  // namespace patchserve
