#include "client/retry_policy.h"

#include <algorithm>
#include <cmath>

namespace patchserve {
namespace {

// The wait number `n`, from 1.
absl::Duration Backoff(int n, double jitter) {
  constexpr absl::Duration kFirst = absl::Milliseconds(100), kLongest = absl::Seconds(2);
  return std::min(kFirst * std::exp2(n - 1), kLongest) * (1 + 0.2 * jitter);
}

}  // namespace

absl::StatusCode CodeOfUncancelled(int code) {
  const auto same = static_cast<absl::StatusCode>(code);
  return same == absl::StatusCode::kCancelled ? absl::StatusCode::kUnavailable : same;
}

absl::Duration RetryDelay(absl::StatusCode code, std::optional<absl::Duration> server_says,
                          int tries, double jitter) {
  // The server foresees milliseconds, and callers whom it told the same come back together.
  constexpr int kTrusted = 4;
  const bool unavailable = code == absl::StatusCode::kUnavailable;
  if (!unavailable && code != absl::StatusCode::kResourceExhausted) {
    return absl::InfiniteDuration();
  }
  if (!server_says) return unavailable ? Backoff(tries, jitter) : absl::InfiniteDuration();
  if (tries <= kTrusted) return *server_says;
  return std::max(*server_says, Backoff(tries - kTrusted, jitter));
}

}  // namespace patchserve
