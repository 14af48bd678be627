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

std::string Part(const Url& url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url.get(), part, &text, CURLU_DEFAULT_PORT) != CURLUE_OK) return "";
  std::string copy = text;
  curl_free(text);
  return copy;
}

}  // namespace

absl::StatusOr<std::string> ResolveUrl(const std::string& base, const std::string& reference) {
  const auto refused = [&](const char* why) {
    return absl::FailedPreconditionError(
        absl::StrCat(base, " redirects to ", Quote(reference), ", ", why));
  };
  const Url url = Parse(base);
  if (url == nullptr)
    return absl::FailedPreconditionError(absl::StrCat(Quote(base), " isn't a URL"));
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
  std::string resolved = text;
  curl_free(text);
  return resolved;
}

bool IsSameOrigin(const std::string& a, const std::string& b) {
  const Url first = Parse(a), second = Parse(b);
  if (first == nullptr || second == nullptr) return false;
  for (const CURLUPart part : {CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT}) {
    if (absl::AsciiStrToLower(Part(first, part)) != absl::AsciiStrToLower(Part(second, part))) {
      return false;
    }
  }
  return true;
}

std::string Origin(const std::string& text) {
  const Url url = Parse(text);
  if (url == nullptr) return "";
  const std::string scheme = Part(url, CURLUPART_SCHEME), port = Part(url, CURLUPART_PORT);
  const bool usual = port == (scheme == "https" ? "443" : "80");
  return absl::StrCat(scheme, "://", Part(url, CURLUPART_HOST), usual ? "" : ":",
                      usual ? "" : port);
}

std::string TakeLogin(std::string& url) {
  const size_t scheme = url.find("://");
  const size_t start = scheme == url.npos ? 0 : scheme + 3;
  const size_t at = url.rfind('@', url.find_first_of("/?#", start));
  if (at == url.npos || at < start) return "";
  int size = 0;
  char* const decoded =
      curl_easy_unescape(nullptr, &url[start], static_cast<int>(at - start), &size);
  std::string login(decoded, size);
  curl_free(decoded);
  url.erase(start, at + 1 - start);
  return login;
}

std::string EscapeUrlComponent(const std::string& text) {
  char* const escaped = curl_easy_escape(nullptr, text.data(), static_cast<int>(text.size()));
  std::string copy = escaped;
  curl_free(escaped);
  return copy;
}

}  // namespace patchserve
