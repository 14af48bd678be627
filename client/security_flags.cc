#include "client/security_flags.h"

#include <string>

#include "absl/flags/flag.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/inputs.h"

ABSL_FLAG(bool, tls, false, "speak TLS, and trust whom the system trusts");
ABSL_FLAG(std::string, tls_ca, "",
          "speak TLS, and trust the certificates in this PEM file instead of the system's");
ABSL_FLAG(std::string, tls_cert, "",
          "the client's own certificate, PEM, for servers that want one");
ABSL_FLAG(std::string, tls_key, "", "the key of --tls_cert, PEM");
ABSL_FLAG(std::string, tls_server_name, "",
          "the name that the server's certificate must have; empty: that of --server");
ABSL_FLAG(std::string, token_file, "",
          "a file with the token that is sent with every call; wants TLS");

namespace patchserve {
namespace {

absl::Status ReadFlagsFile(const char* flag, const std::string& path, std::string& into) {
  if (path.empty()) return absl::OkStatus();
  absl::StatusOr<std::string> text = ReadInput({.name = path});
  if (!text.ok()) {
    return absl::Status(text.status().code(),
                        absl::StrCat("--", flag, "=", path, ": ", text.status().message()));
  }
  into = *std::move(text);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Security> ReadSecurityFlags() {
  const std::string ca = absl::GetFlag(FLAGS_tls_ca);
  const std::string certificate = absl::GetFlag(FLAGS_tls_cert);
  const std::string key = absl::GetFlag(FLAGS_tls_key);
  const std::string tokens = absl::GetFlag(FLAGS_token_file);
  Security security{.tls = absl::GetFlag(FLAGS_tls) || !ca.empty(),
                    .server_name = absl::GetFlag(FLAGS_tls_server_name)};
  if (certificate.empty() != key.empty()) {
    return absl::InvalidArgumentError("--tls_cert and --tls_key belong together: give both");
  }
  if (!security.tls && !(certificate + tokens + security.server_name).empty()) {
    return absl::InvalidArgumentError(
        "--tls_cert, --tls_server_name and --token_file want --tls or --tls_ca");
  }
  absl::Status read = ReadFlagsFile("tls_ca", ca, security.roots);
  read.Update(ReadFlagsFile("tls_cert", certificate, security.certificate));
  read.Update(ReadFlagsFile("tls_key", key, security.key));
  read.Update(ReadFlagsFile("token_file", tokens, security.token));
  if (!read.ok()) return read;
  absl::StripAsciiWhitespace(&security.token);
  if (!tokens.empty() && security.token.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("--token_file=", tokens, " is empty"));
  }
  return security;
}

}  // namespace patchserve
