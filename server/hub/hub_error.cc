#include "server/hub/hub_error.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "server/base/quote.h"
#include "server/base/retry_after.h"

namespace patchserve {
namespace {

absl::Status NotAllowed(const HttpResponse& response, const HubModelId& id,
                        const HubEnvironment& hub) {
  const std::string answer =
      absl::StrCat("the hub answers ", response.status, " for ", id.text(), ": ");
  if (response.Header("x-error-code") == "GatedRepo") {
    return absl::PermissionDeniedError(absl::StrCat(
        answer, "the model is gated: accept its terms at ", hub.endpoint, "/", id.repository,
        hub.token.empty() ? ", then set HF_TOKEN to a token of that account"
                          : " with the account that the token is of"));
  }
  return absl::PermissionDeniedError(absl::StrCat(
      answer, hub.token.empty() ? "there is no such model, or it is private: then set HF_TOKEN"
                                : "the token isn't valid, may not read this model, or there is no "
                                  "such model"));
}

// In how many seconds, of `"api";r=0;t=55` (draft-ietf-httpapi-ratelimit-headers).
bool RateLimitEnds(const std::string& header, int& seconds) {
  for (absl::string_view part : absl::StrSplit(header, ';')) {
    part = absl::StripAsciiWhitespace(part);
    if (absl::ConsumePrefix(&part, "t=")) return absl::SimpleAtoi(part, &seconds);
  }
  return false;
}

absl::Status Later(const HttpResponse& response, const HubEnvironment& hub) {
  absl::Status status =
      absl::UnavailableError(absl::StrCat(hub.endpoint, " answers ", response.status,
                                          response.status == 429 ? ", too many requests" : ""));
  int seconds = 0;
  if (!absl::SimpleAtoi(response.Header("retry-after"), &seconds) &&
      !(response.status == 429 && RateLimitEnds(response.Header("ratelimit"), seconds))) {
    return status;
  }
  return WithRetryAfter(status, absl::Seconds(seconds));
}

}  // namespace

bool IsFileMissing(const HttpResponse& response) {
  return response.status == 404 && response.Header("x-error-code") == "EntryNotFound";
}

absl::Status ErrorOfHub(const HttpResponse& response, const HubModelId& id,
                        const HubEnvironment& hub) {
  const int code = response.status;
  if (code == 401 || code == 403) return NotAllowed(response, id, hub);
  if (code == 408 || code == 429 || code >= 500) return Later(response, hub);
  if (response.Header("x-error-code") == "RevisionNotFound") {
    return absl::NotFoundError(absl::StrCat("model ", id.repository, " has no revision ",
                                            id.revision, " at ", hub.endpoint));
  }
  if (code == 404) {
    return absl::NotFoundError(
        absl::StrCat("there is no model ", id.repository, " at ", hub.endpoint));
  }
  const std::string message = response.Header("x-error-message");
  return absl::FailedPreconditionError(absl::StrCat("the hub answers ", code, " for ", id.text(),
                                                    message.empty() ? "" : ": ",
                                                    message.empty() ? "" : Quote(message)));
}

}  // namespace patchserve
