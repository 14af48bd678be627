// A refusal that says when to try again, as part of its absl::Status.
#pragma once

#include <optional>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/time/time.h"

namespace patchserve {

inline constexpr char kRetryAfterUrl[] = "patchserve/retry_after";

// `pause` infinite: not at all, no try could be in time.
inline absl::Status WithRetryAfter(absl::Status status, absl::Duration pause) {
  status.SetPayload(kRetryAfterUrl, absl::Cord(absl::FormatDuration(pause)));
  return status;
}

// Nothing: the status doesn't say.
inline std::optional<absl::Duration> RetryAfter(const absl::Status& status) {
  const auto text = status.GetPayload(kRetryAfterUrl);
  absl::Duration pause;
  if (!text || !absl::ParseDuration(std::string(*text), &pause)) return std::nullopt;
  return pause;
}

}  // namespace patchserve
