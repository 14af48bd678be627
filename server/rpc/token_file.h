// Bearer tokens in a file.
#pragma once

#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "grpcpp/security/auth_metadata_processor.h"

namespace patchserve {

// The tokens' SHA-256: comparing these tells nobody by its duration how much of a guess was right.
using TokenDigests = std::set<std::string>;

// A token a line; empty lines and those that start with # are skipped.
// Errors: INVALID_ARGUMENT: a token of fewer than 16 characters, or none at all.
absl::StatusOr<TokenDigests> ParseTokens(absl::string_view text);

bool Accepts(const TokenDigests& tokens, absl::string_view token);

// Lets a call pass that carries "authorization: Bearer TOKEN" with a token of the file, and
// refuses others with UNAUTHENTICATED. The file is read again when a call comes a second or more
// after it was last looked at; one that can't be read or parsed is logged, and the tokens stay.
// Thread-safe.
std::shared_ptr<grpc::AuthMetadataProcessor> CheckTokens(std::string path, TokenDigests tokens);

}  // namespace patchserve
