#include "server/hub/url.h"

#include <curl/curl.h>

#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "server/base/quote.h"

namespace patchserve {
namespace {

using Url = std::unique_ptr<CURLU, decltype(&curl_url_cleanup)>;

// Null where it isn't a URL.
Url Parse(const std::string& text) {
  Url url(curl_url(), &curl_url_cleanup);
  if (curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) url.reset();
  return url;
}

// What libcurl gives away; frees it.
std::string Taken(char* text) {
  std::string copy = text;
  curl_free(text);
  return copy;
}

std::string Part(const Url& url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url.get(), part, &text, CURLU_DEFAULT_PORT) != CURLUE_OK) return "";
  return Taken(text);
}

}  // namespace

absl::StatusOr<std::string> ResolveUrl(const std::string& base, const std::string& reference) {
  const auto refused = [&](const char* why) {
    return absl::FailedPreconditionError(absl::StrCat(WithoutSecrets(base), " redirects to ",
                                                      Quote(WithoutSecrets(reference)), ", ", why));
  };
  const Url url = Parse(base);
  if (url == nullptr)
    return absl::FailedPreconditionError(absl::StrCat(Quote(WithoutSecrets(base)), " isn't a URL"));
  const std::string scheme = Part(url, CURLUPART_SCHEME);
  if (curl_url_set(url.get(), CURLUPART_URL, reference.c_str(), 0) != CURLUE_OK) {
    return refused("which isn't a URL");
  }
  const std::string next = Part(url, CURLUPART_SCHEME);
  if (next != "http" && next != "https") return refused("which is neither http nor https");
  if (scheme == "https" && next == "http") return refused("which isn't encrypted any more");
  char* text = nullptr;
  if (curl_url_get(url.get(), CURLUPART_URL, &text, 0) != CURLUE_OK) {
    return refused("which isn't a URL");
  }
  return Taken(text);
}

std::string Origin(const std::string& text) {
  const Url url = Parse(text);
  if (url == nullptr) return "";
  const std::string scheme = absl::AsciiStrToLower(Part(url, CURLUPART_SCHEME));
  const std::string port = Part(url, CURLUPART_PORT);
  const std::string host = absl::AsciiStrToLower(Part(url, CURLUPART_HOST));
  const bool usual = port == (scheme == "https" ? "443" : "80");
  return absl::StrCat(scheme, "://", host, usual ? "" : ":", usual ? "" : port);
}

bool IsSameOrigin(const std::string& a, const std::string& b) {
  const std::string origin = Origin(a);
  return !origin.empty() && origin == Origin(b);
}

std::string TakeLogin(std::string& url) {
  const size_t slashes = url.find("//");
  const size_t start = slashes == url.npos ? 0 : slashes + 2;
  const size_t at = url.rfind('@', url.find_first_of("/?#", start));
  if (at == url.npos || at < start) return "";
  const std::string escaped = url.substr(start, at - start);
  url.erase(start, at + 1 - start);
  if (escaped.empty()) return "";  // libcurl would look for where the text ends
  int size = 0;
  char* const decoded =
      curl_easy_unescape(nullptr, escaped.data(), static_cast<int>(escaped.size()), &size);
  std::string login(decoded, size);
  curl_free(decoded);
  return login;
}

std::string WithoutSecrets(std::string text) {
  if (const Url url = Parse(text); url != nullptr) {
    for (const CURLUPart secret :
         {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_QUERY, CURLUPART_FRAGMENT}) {
      curl_url_set(url.get(), secret, nullptr, 0);
    }
    char* shown = nullptr;
    if (curl_url_get(url.get(), CURLUPART_URL, &shown, 0) == CURLUE_OK) return Taken(shown);
  }
  TakeLogin(text);  // it is relative, or none
  return text.substr(0, text.find_first_of("?#"));
}

std::string EscapeUrlComponent(const std::string& text) {
  return Taken(curl_easy_escape(nullptr, text.data(), static_cast<int>(text.size())));
}

}  // namespace patchserve
