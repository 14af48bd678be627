// Who may speak to the server: TLS, mutual TLS, bearer tokens.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/security/server_credentials.h"
#include "server/rpc/token_file.h"

namespace patchserve {

// The strings are paths of PEM files. All empty: plaintext, for everybody.
struct Credentials {
  std::string certificate;            // the server's, its chain after it
  std::string key;                    // the certificate's
  std::string client_ca;              // not empty: clients must have a certificate that it signed
  std::shared_ptr<TokenFile> tokens;  // not null: calls must carry one of its tokens
  // Of a call without; see CheckTokens.
  std::function<void(const std::string& reason)> refused = [](const std::string&) {};
};

// Certificate, key and CA are read again within two seconds of a change, for connections that
// come then. Replace certificate and key together: while they don't fit, new connections fail.
//
// Errors: INVALID_ARGUMENT: a certificate without a key or the reverse, a client CA or tokens
// without a certificate, since they would travel in the open; a file that isn't what it should
// be; a key that isn't the certificate's. PERMISSION_DENIED, NOT_FOUND: a file that can't be read.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(
    const Credentials& files);

// What certificate, key and client CA are now.
struct TlsFiles {
  std::string digest;  // of the bytes of all three
  absl::Time end;      // when the certificate ends to be valid

  bool operator==(const TlsFiles&) const = default;
};

// Reads the files anew. Errors: those of MakeServerCredentials about files.
absl::StatusOr<TlsFiles> CheckTlsFiles(const Credentials& files);

}  // namespace patchserve
