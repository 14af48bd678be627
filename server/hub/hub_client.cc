#include "server/hub/hub_client.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/base/quote.h"
#include "server/base/status.h"
#include "server/hub/digest.h"
#include "server/hub/hub_error.h"
#include "server/hub/url.h"
#include "server/model/json.h"

namespace patchserve {
namespace {

constexpr int kMostHops = 5;
constexpr size_t kLongestList = 16 << 20;  // bytes

bool IsRedirect(const HttpResponse& response) {
  return response.status / 100 == 3 && !response.Header("location").empty();
}

std::string FileUrl(const HubEnvironment& hub, const HubModelId& id, const std::string& revision,
                    const std::string& file) {
  return absl::StrCat(hub.endpoint, "/", id.repository, "/resolve/", EscapeUrlComponent(revision),
                      "/", EscapeUrlComponent(file));
}

// Of where files are stored, by links that are valid for a while: the next try gets a new one.
absl::Status StorageError(const std::string& url, const HttpResponse& response) {
  return absl::UnavailableError(absl::StrCat(WithoutSecrets(url), " answers ", response.status));
}

absl::Status IgnoreBody(const HttpResponse&, absl::string_view) { return absl::OkStatus(); }

// Of a question, maybe answered by where the hub redirects to.
absl::Status Refusal(const HttpResponse& response, const HubModelId& id,
                     const HubEnvironment& hub) {
  absl::Status status = ErrorOfHub(response, id, hub);
  if (response.elsewhere.empty() || absl::IsUnavailable(status)) return status;
  return absl::Status(status.code(), absl::StrCat(status.message(), " (HF_ENDPOINT, ", hub.endpoint,
                                                  ", redirects to ", response.elsewhere,
                                                  ", where the token isn't sent)"));
}

// `W/"abc"` is abc.
std::string BareTag(absl::string_view etag) {
  absl::ConsumePrefix(&etag, "W/");
  absl::ConsumePrefix(&etag, "\"");
  absl::ConsumeSuffix(&etag, "\"");
  return std::string(etag);
}

// Of a question's answers, redirects included, the first that says something.
void KeepFirst(const HttpResponse& from, HttpResponse& to) {
  for (const char* name : {"x-repo-commit", "x-linked-etag", "x-linked-size"}) {
    if (const std::string value = from.Header(name); !value.empty()) {
      to.headers.emplace(name, value);
    }
  }
}

absl::StatusOr<HubFile> Described(const HttpResponse& response, const HubModelId& id,
                                  const std::string& name, const HubEnvironment& hub) {
  const auto or_else = [&](const char* first, const char* second) {
    const std::string value = response.Header(first);
    return value.empty() ? response.Header(second) : value;
  };
  HubFile file{.name = name,
               .commit = response.Header("x-repo-commit"),
               .digest = BareTag(or_else("x-linked-etag", "etag"))};
  const std::string size = or_else("x-linked-size", "content-length");
  const auto odd = [&](const char* what, const std::string& value) {
    return absl::FailedPreconditionError(
        absl::StrCat(hub.endpoint, " gives no ", what, " for ", name, " (", Quote(value),
                     "): is it a hub (HF_ENDPOINT), or does a proxy answer in its place?"));
  };
  if (!IsCommit(file.commit)) return odd("commit", file.commit);
  if (!IsDigest(file.digest)) return odd("hash", file.digest);
  if (!absl::SimpleAtoi(size, &file.size) || file.size < 0) return odd("size", size);
  if (IsCommit(id.revision) && file.commit != id.revision) {
    return absl::FailedPreconditionError(absl::StrCat(hub.endpoint, " gives commit ", file.commit,
                                                      " of ", name, " for ", id.text()));
  }
  return file;
}

}  // namespace

absl::StatusOr<HttpResponse> HubClient::Send(std::string url, bool head, int64_t from,
                                             HttpBody body) const {
  HttpResponse first;  // of several
  for (int hop = 0; hop < kMostHops; ++hop) {
    const bool at_home = IsSameOrigin(url, hub_.endpoint);
    ASSIGN_OR_RETURN(HttpResponse response, SendHttp({.url = url,
                                                      .head = head,
                                                      .from = from,
                                                      .token = at_home ? hub_.token : "",
                                                      .login = at_home ? hub_.login : "",
                                                      .authorities = hub_.authorities},
                                                     cancelled_, body));
    if (!at_home && response.status >= 400) {
      if (!head) return StorageError(url, response);
      response.elsewhere = Origin(url);
    }
    KeepFirst(response, first);
    // The head of a large file is the redirect's to where it is stored.
    const bool known = head && first.headers.contains("x-linked-etag");
    if (!IsRedirect(response) || known) {
      // Of a redirect's own, none is the file's.
      if (IsRedirect(response)) response = {.status = 200};
      KeepFirst(first, response);
      return response;
    }
    ASSIGN_OR_RETURN(url, ResolveUrl(url, response.Header("location")));
  }
  return absl::FailedPreconditionError(
      absl::StrCat(hub_.endpoint, " redirects more than ", kMostHops, " times"));
}

absl::StatusOr<std::optional<HubFile>> HubClient::Find(const HubModelId& id,
                                                       const std::string& file,
                                                       int most_tries) const {
  Retries retries(most_tries, wait_);
  while (true) {
    auto response = Send(FileUrl(hub_, id, id.revision, file), /*head=*/true, 0, IgnoreBody);
    if (response.ok() && IsFileMissing(*response)) return std::nullopt;
    if (response.ok() && response->status < 400) return Described(*response, id, file, hub_);
    RETURN_IF_ERROR(
        retries.Again(response.ok() ? Refusal(*response, id, hub_) : response.status()));
  }
}

absl::StatusOr<std::vector<std::string>> HubClient::List(const HubModelId& id) const {
  std::string text;
  const auto collect = [&](const HttpResponse&, absl::string_view piece) {
    absl::StrAppend(&text, piece);
    return text.size() <= kLongestList
               ? absl::OkStatus()
               : absl::FailedPreconditionError("the hub's list of files is too long");
  };
  const std::string url = absl::StrCat(hub_.endpoint, "/api/models/", id.repository, "/revision/",
                                       EscapeUrlComponent(id.revision));
  Retries retries(kMostTries, wait_);
  while (true) {
    text.clear();
    auto response = Send(url, /*head=*/false, 0, collect);
    if (response.ok() && response->status == 200) break;
    RETURN_IF_ERROR(
        retries.Again(response.ok() ? ErrorOfHub(*response, id, hub_) : response.status()));
  }
  ASSIGN_OR_RETURN(const nlohmann::json root, ParseJsonObject(text));
  std::vector<std::string> names;
  const nlohmann::json* const files = JsonFields(root, "").Find("siblings");
  if (files == nullptr || !files->is_array()) return names;
  for (const nlohmann::json& file : *files) {
    if (!file.is_object()) continue;
    ASSIGN_OR_RETURN(auto name, JsonFields(file, "siblings.").String("rfilename"));
    if (name) names.push_back(*std::move(name));
  }
  return names;
}

absl::Status HubClient::Read(
    const HubModelId& id, const HubFile& file, int64_t from,
    absl::FunctionRef<absl::Status(int64_t offset, absl::string_view piece)> body) const {
  int64_t offset = -1;
  const auto pass_on = [&](const HttpResponse& head, absl::string_view piece) {
    if (offset < 0) offset = head.status == 206 ? from : 0;
    absl::Status status = body(offset, piece);
    offset += static_cast<int64_t>(piece.size());
    return status;
  };
  // By the commit, which means the same however a branch moves.
  ASSIGN_OR_RETURN(const HttpResponse response, Send(FileUrl(hub_, id, file.commit, file.name),
                                                     /*head=*/false, from, pass_on));
  return response.status / 100 == 2 ? absl::OkStatus() : ErrorOfHub(response, id, hub_);
}

}  // namespace patchserve
