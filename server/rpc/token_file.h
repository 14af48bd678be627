// Bearer tokens in a file.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "grpcpp/security/auth_metadata_processor.h"
#include "server/base/mutex.h"

namespace patchserve {

// The tokens' names by their SHA-256: comparing these tells nobody by its duration how much of a
// guess was right.
using TokenNames = std::map<std::string, std::string>;

// A token a line, with its name and a blank before it where it has one; else it is called by the
// first eight digits of its SHA-256. Empty lines and those that start with # are skipped.
// Errors: INVALID_ARGUMENT: a token of fewer than 16 characters, a line of more than two words, or
// no token at all.
absl::StatusOr<TokenNames> ParseTokens(absl::string_view text);

// The file is read again when it is asked a second or more after it was last looked at; one that
// can't be read or parsed is logged, and the tokens stay. Thread-safe.
class TokenFile {
 public:
  // Errors: those of ReadWholeFile and ParseTokens.
  static absl::StatusOr<std::shared_ptr<TokenFile>> Open(std::string path);

  // Of "Bearer TOKEN", a call's metadata "authorization". Nothing: it is none of the tokens.
  std::optional<std::string> NameOf(absl::string_view authorization);

 private:
  TokenFile(std::string path, TokenNames names);
  void LookAgain(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string path_;
  Mutex mutex_;
  TokenNames names_ ABSL_GUARDED_BY(mutex_);
  absl::Time looked_ ABSL_GUARDED_BY(mutex_);
};

// Lets a call pass that carries "authorization: Bearer TOKEN" with a token of the file, and
// refuses others with UNAUTHENTICATED. Each refusal is told to `refused`, with its reason:
// "no_token" or "unknown_token"; the log has a line of some of them (LineLimit).
std::shared_ptr<grpc::AuthMetadataProcessor> CheckTokens(
    std::shared_ptr<TokenFile> tokens, std::function<void(const std::string& reason)> refused);

}  // namespace patchserve
