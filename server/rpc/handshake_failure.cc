#include "server/rpc/handshake_failure.h"

#include "absl/strings/match.h"

namespace patchserve {

const char* HandshakeFailure(absl::string_view file, absl::string_view line) {
  if (!absl::EndsWith(file, "ssl_transport_security.cc") ||
      !absl::StartsWith(line, "Handshake failed")) {
    return nullptr;
  }
  // OpenSSL 3's reasons, ssl/ssl_err.c.
  const auto says = [line](absl::string_view text) { return absl::StrContains(line, text); };
  if (says("peer did not return a certificate")) return "no_certificate";
  if (says("certificate verify failed")) return "bad_certificate";
  if (says(" alert ")) return "refused_by_client";
  for (const char* text : {"wrong version number", "http request", "https proxy request",
                           "packet length too long", "record layer failure", "bad record type"}) {
    if (says(text)) return "not_tls";
  }
  return "other";
}

}  // namespace patchserve
