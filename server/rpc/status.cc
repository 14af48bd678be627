#include "server/rpc/status.h"

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "server/base/retry_after.h"

namespace patchserve {

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()));
}

grpc::Status ToGrpc(const absl::Status& status, grpc::CallbackServerContext& context) {
  if (const std::optional<absl::Duration> pause = RetryAfter(status)) {
    const bool never = *pause == absl::InfiniteDuration();
    context.AddTrailingMetadata("grpc-retry-pushback-ms",
                                absl::StrCat(never ? -1 : absl::ToInt64Milliseconds(*pause)));
  }
  return ToGrpc(status);
}

grpc::ServerUnaryReactor* Answered(grpc::CallbackServerContext& context,
                                   const absl::Status& status) {
  grpc::ServerUnaryReactor* reactor = context.DefaultReactor();
  reactor->Finish(ToGrpc(status));
  return reactor;
}

}  // namespace patchserve
