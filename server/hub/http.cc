#include "server/hub/http.h"

#include <curl/curl.h>

#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/hub/url.h"
#include "version.h"

namespace patchserve {
namespace {

constexpr long kConnectSeconds = 10, kSilentSeconds = 30;
constexpr size_t kMostHeaders = 200;

struct Transfer {
  HttpResponse response;
  const std::atomic<bool>& cancelled;
  HttpBody body;
  absl::Status stopped;  // why `body` wants no more
};

size_t OnHeader(char* data, size_t, size_t size, void* to) {
  HttpResponse& response = static_cast<Transfer*>(to)->response;
  const absl::string_view line = absl::StripAsciiWhitespace(absl::string_view(data, size));
  // A proxy's answer comes before the server's.
  if (absl::StartsWith(line, "HTTP/")) response.headers.clear();
  const size_t colon = line.find(':');
  if (colon != line.npos && response.headers.size() < kMostHeaders) {
    response.headers[absl::AsciiStrToLower(line.substr(0, colon))] =
        std::string(absl::StripLeadingAsciiWhitespace(line.substr(colon + 1)));
  }
  return size;
}

struct Call {
  CURL* curl;
  Transfer* transfer;
};

int StatusOfResponse(CURL* curl) {
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  return static_cast<int>(status);
}

size_t OnBody(char* data, size_t, size_t size, void* to) {
  const Call& call = *static_cast<Call*>(to);
  Transfer& transfer = *call.transfer;
  transfer.response.status = StatusOfResponse(call.curl);
  if (transfer.response.status / 100 != 2) return size;
  transfer.stopped = transfer.body(transfer.response, absl::string_view(data, size));
  return transfer.stopped.ok() ? size : 0;
}

// Called about once a second.
int OnProgress(void* to, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<Transfer*>(to)->cancelled ? 1 : 0;
}

absl::Status ErrorOf(CURLcode code, const char* details, const std::string& url) {
  const std::string what = absl::StrCat(WithoutSecrets(url), ": ",
                                        *details == '\0' ? curl_easy_strerror(code) : details);
  switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
      return absl::FailedPreconditionError(absl::StrCat(
          what, " (SSL_CERT_FILE can name a file of the authorities that are believed)"));
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_FAILED_INIT:
      return absl::FailedPreconditionError(what);
    default:
      return absl::UnavailableError(what);
  }
}

void InitializeOnce() {
  static const CURLcode done = curl_global_init(CURL_GLOBAL_DEFAULT);
  static_cast<void>(done);
}

}  // namespace

std::string HttpResponse::Header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

absl::StatusOr<HttpResponse> SendHttp(const HttpRequest& request,
                                      const std::atomic<bool>& cancelled, HttpBody body) {
  InitializeOnce();
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> handle(curl_easy_init(),
                                                                   &curl_easy_cleanup);
  CURL* const curl = handle.get();
  if (curl == nullptr) return absl::ResourceExhaustedError("no memory for libcurl");
  Transfer transfer{.cancelled = cancelled, .body = body};
  Call call{curl, &transfer};
  char details[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, details);
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, kSilentSeconds);
  curl_easy_setopt(curl, CURLOPT_NOBODY, request.head ? 1L : 0L);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "patchserve/" PATCHSERVE_VERSION);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, OnHeader);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, OnBody);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &call);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, OnProgress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &transfer);
  if (!request.authorities.empty()) {
    curl_easy_setopt(curl, CURLOPT_CAINFO, request.authorities.c_str());
  }
  if (!request.login.empty()) curl_easy_setopt(curl, CURLOPT_USERPWD, request.login.c_str());
  if (request.from > 0) {
    curl_easy_setopt(curl, CURLOPT_RANGE, absl::StrCat(request.from, "-").c_str());
  }
  // What is stored is hashed as it is: no compression on the way.
  curl_slist* lines = curl_slist_append(nullptr, "Accept-Encoding: identity");
  if (!request.token.empty()) {
    lines = curl_slist_append(lines, absl::StrCat("Authorization: Bearer ", request.token).c_str());
  }
  const std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers(lines,
                                                                            &curl_slist_free_all);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());

  const CURLcode code = curl_easy_perform(curl);
  if (!transfer.stopped.ok()) return transfer.stopped;
  if (cancelled) return absl::CancelledError("stopped while fetching");
  if (code != CURLE_OK) return ErrorOf(code, details, request.url);
  transfer.response.status = StatusOfResponse(curl);
  return std::move(transfer.response);
}

}  // namespace patchserve
