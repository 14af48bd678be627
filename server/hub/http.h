// One HTTP request, by libcurl. Proxies by the usual variables (https_proxy, no_proxy ...).
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace patchserve {

struct HttpRequest {
  std::string url;
  bool head = false;        // HEAD, not GET
  int64_t from = 0;         // bytes to leave out at the start (Range); the server may not heed it
  std::string token;        // sent as a bearer's; empty: none
  std::string login;        // "user:password", sent where there is no token; empty: none
  std::string authorities;  // a file of certificates to believe; empty: the system's
};

struct HttpResponse {
  int status = 0;                              // such as 200
  std::map<std::string, std::string> headers;  // by their names in lower case
  std::string elsewhere;  // HubClient: "https://host", of an error of where the hub redirects to

  std::string Header(const std::string& name) const;  // empty where it isn't there
};

// Called with the response's head and each piece of its body; an error ends the transfer.
using HttpBody = absl::FunctionRef<absl::Status(const HttpResponse& head, absl::string_view piece)>;

// Follows no redirect; `body` is called for responses of 2xx alone. Gives up when nothing comes for
// 30 s, or no connection is made for 10 s. `cancelled` ends it within a second.
// Errors: those of `body`. CANCELLED. UNAVAILABLE: no answer, or one that is cut short: to be tried
// again. FAILED_PRECONDITION: the server's certificate isn't believed, or no such URL.
absl::StatusOr<HttpResponse> SendHttp(const HttpRequest& request,
                                      const std::atomic<bool>& cancelled, HttpBody body);

}  // namespace patchserve
