#include "server/hub/environment.h"

#include <algorithm>
#include <initializer_list>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/base/quote.h"
#include "server/base/read_file.h"
#include "server/base/status.h"
#include "server/hub/url.h"
#include "spdlog/spdlog.h"

namespace patchserve {
namespace {

constexpr char kPublicHub[] = "https://huggingface.co";

class Variables {
 public:
  explicit Variables(absl::FunctionRef<const char*(const char*)> get) : get_(get) {}

  // Empty counts as not set.
  std::string Get(const char* name) const {
    const char* const value = get_(name);
    return value == nullptr ? "" : value;
  }

  // The first of these that is set, with a leading ~ expanded.
  std::filesystem::path Path(std::initializer_list<const char*> names) const {
    for (const char* name : names) {
      const std::string path = Get(name);
      if (path == "~" || absl::StartsWith(path, "~/")) return Get("HOME") + path.substr(1);
      if (!path.empty()) return path;
    }
    return {};
  }

 private:
  const absl::FunctionRef<const char*(const char*)> get_;
};

// $HF_HOME; empty where not even a home folder is known.
std::filesystem::path HubHome(const Variables& variables) {
  if (auto home = variables.Path({"HF_HOME"}); !home.empty()) return home;
  if (const auto cache = variables.Path({"XDG_CACHE_HOME"}); !cache.empty()) {
    return cache / "huggingface";
  }
  const auto home = variables.Path({"HOME"});
  return home.empty() ? home : home / ".cache/huggingface";
}

bool IsTrue(const std::string& value) {
  const std::string upper = absl::AsciiStrToUpper(value);
  return upper == "1" || upper == "ON" || upper == "YES" || upper == "TRUE";
}

absl::StatusOr<std::string> ReadToken(const Variables& variables,
                                      const std::filesystem::path& home) {
  std::string token = variables.Get("HF_TOKEN");
  std::string from = "HF_TOKEN";
  if (token.empty()) {
    std::filesystem::path file = variables.Path({"HF_TOKEN_PATH"});
    const bool named = !file.empty();
    if (!named && !home.empty()) file = home / "token";
    if (file.empty()) return token;
    auto contents = ReadWholeFile(file);
    if (absl::IsNotFound(contents.status())) return token;
    if (!contents.ok() && named) {
      return absl::Status(contents.status().code(),
                          absl::StrCat("HF_TOKEN_PATH: ", contents.status().message()));
    }
    if (!contents.ok()) {  // models that are public need none
      spdlog::warn("{}; going without a token (HF_TOKEN_PATH can name another file)",
                   std::string(contents.status().message()));
      return token;
    }
    token = *std::move(contents);
    from = file;
  }
  token = std::string(absl::StripAsciiWhitespace(token));
  if (std::all_of(token.begin(), token.end(),
                  [](unsigned char c) { return absl::ascii_isgraph(c); })) {
    return token;
  }
  return absl::InvalidArgumentError(
      absl::StrCat(from, " holds more than a token: white space or unprintable characters"));
}

}  // namespace

absl::StatusOr<HubEnvironment> ReadHubEnvironment(
    absl::FunctionRef<const char*(const char* name)> variable) {
  const Variables variables(variable);
  HubEnvironment hub;
  hub.endpoint = variables.Get("HF_ENDPOINT");
  if (hub.endpoint.empty()) hub.endpoint = kPublicHub;
  hub.login = TakeLogin(hub.endpoint);
  while (absl::EndsWith(hub.endpoint, "/")) hub.endpoint.pop_back();
  if (!absl::StartsWith(hub.endpoint, "https://") && !absl::StartsWith(hub.endpoint, "http://")) {
    return absl::InvalidArgumentError(
        absl::StrCat("HF_ENDPOINT is ", Quote(hub.endpoint), ", not a URL of http:// or https://"));
  }
  const std::filesystem::path home = HubHome(variables);
  hub.cache = variables.Path({"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"});
  if (hub.cache.empty()) {
    if (home.empty()) {
      return absl::InvalidArgumentError(
          "no folder for models of a hub: set HF_HUB_CACHE (there is no HOME)");
    }
    hub.cache = home / "hub";
  }
  hub.offline = IsTrue(variables.Get("HF_HUB_OFFLINE"));
  hub.authorities = variables.Get("SSL_CERT_FILE");
  if (hub.offline) return hub;  // needs no token
  ASSIGN_OR_RETURN(hub.token, ReadToken(variables, home));
  return hub;
}

}  // namespace patchserve
