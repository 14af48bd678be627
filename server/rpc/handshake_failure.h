// TLS handshakes that fail: gRPC 1.51 tells nobody but its log.
#pragma once

#include "absl/strings/string_view.h"

namespace patchserve {

// Why, if a line of gRPC's log, which comes from its source `file`, says that one failed; else
// null.
//
//   not_tls            such as plaintext, or HTTP
//   no_certificate     the client has none, and --tls_client_ca wants one
//   bad_certificate    the client's isn't signed by --tls_client_ca, or has expired
//   refused_by_client  it doesn't trust the server's, and says so: gRPC's own client doesn't
//   other              such as no version or cipher in common
const char* HandshakeFailure(absl::string_view file, absl::string_view line);

}  // namespace patchserve
