#include "server/rpc/token_file.h"

#include <openssl/sha.h>

#include <memory>
#include <mutex>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/base/read_file.h"
#include "server/base/steady_clock.h"
#include "spdlog/spdlog.h"

namespace patchserve {
namespace {

constexpr size_t kShortestToken = 16;
constexpr absl::Duration kLookAgain = absl::Seconds(1);

std::string Digest(absl::string_view token) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(),
         reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

class TokenProcessor final : public grpc::AuthMetadataProcessor {
 public:
  TokenProcessor(std::string path, TokenDigests tokens)
      : path_(std::move(path)), tokens_(std::move(tokens)), looked_(SteadyNow()) {}

  // Looking at a small file once a second isn't worth a thread.
  bool IsBlocking() const override { return false; }

  grpc::Status Process(const InputMetadata& metadata, grpc::AuthContext*, OutputMetadata*,
                       OutputMetadata*) override {
    const auto found = metadata.find("authorization");
    if (found == metadata.end()) {
      return {grpc::StatusCode::UNAUTHENTICATED,
              "no token: send the metadata \"authorization: Bearer TOKEN\""};
    }
    absl::string_view token(found->second.data(), found->second.size());
    std::lock_guard lock(mutex_);
    LookAgain(SteadyNow());
    // RFC 9110, 11.1: the scheme's letters may be of either case, blanks may be more than one.
    token = absl::StripAsciiWhitespace(token);
    if (absl::StartsWithIgnoreCase(token, "Bearer ") &&
        Accepts(tokens_, absl::StripLeadingAsciiWhitespace(token.substr(7)))) {
      return grpc::Status::OK;
    }
    return {grpc::StatusCode::UNAUTHENTICATED, "the token isn't one of the server's"};
  }

 private:
  // Needs mutex_.
  void LookAgain(absl::Time now) {
    if (now - looked_ < kLookAgain) return;
    looked_ = now;
    absl::StatusOr<std::string> text = ReadWholeFile(path_);
    absl::StatusOr<TokenDigests> tokens =
        text.ok() ? ParseTokens(*text) : absl::StatusOr<TokenDigests>(text.status());
    if (tokens.ok()) {
      tokens_ = *std::move(tokens);
    } else {
      spdlog::error("the tokens stay as they were: {}", std::string(tokens.status().message()));
    }
  }

  const std::string path_;
  std::mutex mutex_;
  TokenDigests tokens_;  // guarded by mutex_
  absl::Time looked_;    // guarded by mutex_
};

}  // namespace

absl::StatusOr<TokenDigests> ParseTokens(absl::string_view text) {
  TokenDigests digests;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    const absl::string_view token = absl::StripAsciiWhitespace(line);
    if (token.empty() || absl::StartsWith(token, "#")) continue;
    if (token.size() < kShortestToken) {
      return absl::InvalidArgumentError(
          absl::StrCat("a token has ", token.size(), " characters, fewer than ", kShortestToken));
    }
    digests.insert(Digest(token));
  }
  if (digests.empty()) return absl::InvalidArgumentError("the file of tokens has none");
  return digests;
}

bool Accepts(const TokenDigests& tokens, absl::string_view token) {
  return tokens.contains(Digest(token));
}

std::shared_ptr<grpc::AuthMetadataProcessor> CheckTokens(std::string path, TokenDigests tokens) {
  return std::make_shared<TokenProcessor>(std::move(path), std::move(tokens));
}

}  // namespace patchserve
