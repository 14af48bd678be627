#include "server/rpc/token_file.h"

#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/base/line_limit.h"
#include "server/base/mutex.h"
#include "server/base/read_file.h"
#include "server/base/status.h"
#include "server/base/steady_clock.h"
#include "server/rpc/sha256.h"
#include "spdlog/spdlog.h"

namespace patchserve {
namespace {

constexpr size_t kShortestToken = 16;
constexpr absl::Duration kLookAgain = absl::Seconds(1);

class TokenProcessor final : public grpc::AuthMetadataProcessor {
 public:
  TokenProcessor(std::shared_ptr<TokenFile> tokens,
                 std::function<void(const std::string& reason)> refused)
      : tokens_(std::move(tokens)), refused_(std::move(refused)) {}

  // Looking at a small file once a second isn't worth a thread.
  bool IsBlocking() const override { return false; }

  grpc::Status Process(const InputMetadata& metadata, grpc::AuthContext*, OutputMetadata*,
                       OutputMetadata*) override {
    const auto found = metadata.find("authorization");
    if (found == metadata.end()) {
      return Refuse("no_token", "no token: send the metadata \"authorization: Bearer TOKEN\"");
    }
    if (tokens_->NameOf({found->second.data(), found->second.size()})) return grpc::Status::OK;
    return Refuse("unknown_token", "the token isn't one of the server's");
  }

 private:
  grpc::Status Refuse(const char* reason, const char* why) {
    refused_(reason);
    std::optional<int64_t> left_out;
    {
      Lock lock(mutex_);
      left_out = lines_.Show(SteadyNow());
    }
    if (left_out) {
      spdlog::warn("a call is UNAUTHENTICATED: {} ({} like it weren't logged before)", reason,
                   *left_out);
    }
    return {grpc::StatusCode::UNAUTHENTICATED, why};
  }

  const std::shared_ptr<TokenFile> tokens_;
  const std::function<void(const std::string& reason)> refused_;
  Mutex mutex_;
  LineLimit lines_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

absl::StatusOr<TokenNames> ParseTokens(absl::string_view text) {
  TokenNames names;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<std::string> words =
        absl::StrSplit(line, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
    if (words.empty() || absl::StartsWith(words.front(), "#")) continue;
    if (words.size() > 2) {
      return absl::InvalidArgumentError(
          absl::StrCat("a line of tokens has ", words.size(), " words, not TOKEN or NAME TOKEN"));
    }
    const std::string& token = words.back();
    if (token.size() < kShortestToken) {
      return absl::InvalidArgumentError(
          absl::StrCat("a token has ", token.size(), " characters, fewer than ", kShortestToken));
    }
    const std::string digest = Sha256(token);
    names[digest] = words.size() == 2 ? words.front() : absl::BytesToHexString(digest.substr(0, 4));
  }
  if (names.empty()) return absl::InvalidArgumentError("the file of tokens has none");
  return names;
}

absl::StatusOr<std::shared_ptr<TokenFile>> TokenFile::Open(std::string path) {
  ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(path));
  ASSIGN_OR_RETURN(TokenNames names, ParseTokens(text));
  return std::shared_ptr<TokenFile>(new TokenFile(std::move(path), std::move(names)));
}

TokenFile::TokenFile(std::string path, TokenNames names)
    : path_(std::move(path)), names_(std::move(names)), looked_(SteadyNow()) {}

std::optional<std::string> TokenFile::NameOf(absl::string_view authorization) {
  // RFC 9110, 11.1: the scheme's letters may be of either case, blanks may be more than one.
  authorization = absl::StripAsciiWhitespace(authorization);
  Lock lock(mutex_);
  LookAgain(SteadyNow());
  if (!absl::StartsWithIgnoreCase(authorization, "Bearer ")) return std::nullopt;
  const auto found =
      names_.find(Sha256(absl::StripLeadingAsciiWhitespace(authorization.substr(7))));
  if (found == names_.end()) return std::nullopt;
  return found->second;
}

void TokenFile::LookAgain(absl::Time now) {
  if (now - looked_ < kLookAgain) return;
  looked_ = now;
  absl::StatusOr<std::string> text = ReadWholeFile(path_);
  absl::StatusOr<TokenNames> names =
      text.ok() ? ParseTokens(*text) : absl::StatusOr<TokenNames>(text.status());
  if (names.ok()) {
    names_ = *std::move(names);
  } else {
    spdlog::error("the tokens stay as they were: {}", std::string(names.status().message()));
  }
}

std::shared_ptr<grpc::AuthMetadataProcessor> CheckTokens(
    std::shared_ptr<TokenFile> tokens, std::function<void(const std::string& reason)> refused) {
  return std::make_shared<TokenProcessor>(std::move(tokens), std::move(refused));
}

}  // namespace patchserve
