#include "server/hub/retries.h"

#include <algorithm>

#include "server/base/retry_after.h"
#include "spdlog/spdlog.h"

namespace patchserve {
namespace {

constexpr absl::Duration kFirstPause = absl::Seconds(1), kLongestPause = absl::Minutes(1);

}  // namespace

absl::Status Retries::Again(const absl::Status& failed) {
  if (!absl::IsUnavailable(failed) || ++tries_ >= most_tries_) return failed;
  const absl::Duration usual = kFirstPause * (1 << (tries_ - 1));
  const absl::Duration pause = std::max(RetryAfter(failed).value_or(usual), absl::ZeroDuration());
  if (pause > kLongestPause) return failed;
  spdlog::warn("{}; trying again in {}", std::string(failed.message()),
               absl::FormatDuration(pause));
  return wait_(pause);
}

}  // namespace patchserve
