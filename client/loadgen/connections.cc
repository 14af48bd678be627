#include "client/loadgen/connections.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/stream_classifier.h"

namespace patchserve {

absl::StatusOr<std::vector<ClassifyFunction>> OpenConnections(const ConnectionsWanted& wanted) {
  constexpr absl::Duration kPatience = absl::Seconds(10);
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  for (int i = 0; i < wanted.count; ++i) {
    channels.push_back(Connect(
        wanted.server,
        {.grpc_retries = wanted.retries, .own_connection = true, .security = wanted.security}));
    channels.back()->GetState(/*try_to_connect=*/true);
  }
  const absl::Time until = absl::Now() + kPatience;
  std::vector<ClassifyFunction> connections;
  for (const auto& channel : channels) {
    if (!channel->WaitForConnected(absl::ToChronoTime(until))) {
      return absl::UnavailableError(absl::StrCat("can't connect to ", wanted.server, " within ",
                                                 absl::FormatDuration(kPatience)));
    }
    if (wanted.stream) {
      connections.push_back(FunctionOf(std::make_shared<StreamClassifier>(
          channel,
          StreamOptions{.max_unanswered = wanted.max_unanswered, .retry = wanted.retries})));
    } else {
      connections.push_back(
          FunctionOf(std::make_shared<ClassifierClient>(channel, ClientOptions{.retry = false})));
    }
  }
  return connections;
}

}  // namespace patchserve
