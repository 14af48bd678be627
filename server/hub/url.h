// The few things that a client asks of URLs.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace patchserve {

// What `reference`, a Location header, means in an answer from `base`. Errors: FAILED_PRECONDITION:
// not a URL of http or https, or one that leaves https for http.
absl::StatusOr<std::string> ResolveUrl(const std::string& base, const std::string& reference);

// Whether scheme, host and port are the same: only there the token is sent.
bool IsSameOrigin(const std::string& a, const std::string& b);

// "https://host:port" of a URL, for messages: no user, path or query.
std::string Origin(const std::string& url);

// Takes "user:password@" out of a URL: it must not be in messages. Returns it, decoded, without the
// '@'; empty: there is none.
std::string TakeLogin(std::string& url);

// A URL as messages show it: without "user:password@" and what follows a '?' or '#', which may be a
// signature that gives access.
std::string WithoutSecrets(std::string text);

// For one component of a path: all but letters, digits, '-', '.', '_' and '~' as %XX.
std::string EscapeUrlComponent(const std::string& text);

}  // namespace patchserve
