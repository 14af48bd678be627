#include "server/config/transport.h"

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "server/base/status.h"
#include "server/config/checks.h"

ABSL_FLAG(std::string, tls_cert, "",
          "The server's certificate and its chain, PEM. Empty: plaintext. Read again when it "
          "changes, as the next two.");
ABSL_FLAG(std::string, tls_key, "", "The certificate's key, PEM.");
ABSL_FLAG(std::string, tls_client_ca, "",
          "Clients must have a certificate that this one signed, PEM. Empty: they need none.");
ABSL_FLAG(std::string, auth_tokens, "",
          "A file with a line TOKEN or NAME TOKEN each: calls must send one as \"authorization: "
          "Bearer TOKEN\". "
          "Wants --tls_cert. Read again when it changes.");
ABSL_FLAG(std::string, health_address, "",
          "Where grpc.health.v1 alone is served, in plaintext, for probes. Empty: only where "
          "everything is.");
ABSL_FLAG(
    int, max_connections, 0,
    "The most open connections; beyond, those that were silent for long are closed, or the new "
    "one is. 0: what the limit of file descriptors leaves, at most 10000.");
ABSL_FLAG(int, max_connections_per_peer, 0,
          "The same for one IPv4 address or IPv6 network of 64 bits; 0: half of all.");
ABSL_FLAG(int, max_streams, 1000, "The most open calls of one connection.");
ABSL_FLAG(int, max_metadata_bytes, 8192, "The most metadata of one call.");
ABSL_FLAG(absl::Duration, max_connection_idle, absl::Minutes(15),
          "A connection without a call is closed after this; inf: never.");
ABSL_FLAG(absl::Duration, max_connection_age, absl::Minutes(30),
          "A connection takes no new calls after this, so that clients balance anew; inf: never.");
ABSL_FLAG(absl::Duration, connection_age_grace, absl::Minutes(5),
          "How long the calls that are open then may take to end.");
ABSL_FLAG(absl::Duration, min_ping_interval, absl::Seconds(10),
          "Clients whose keepalive pings come faster are thrown out.");
ABSL_FLAG(
    int64_t, max_grpc_memory, 0,
    "Bytes of gRPC's buffers; beyond, it reads more slowly and takes no new connections. 0: an "
    "eighth of --memory_limit, at most 512 MiB.");

namespace patchserve {
namespace {

absl::Status CheckPositive(const char* flag, absl::Duration value) {
  if (value > absl::ZeroDuration()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("--", flag, " is ", absl::FormatDuration(value), ", not positive"));
}

}  // namespace

absl::StatusOr<Transport> ReadTransport() {
  Transport transport{.tls_cert = absl::GetFlag(FLAGS_tls_cert),
                      .tls_key = absl::GetFlag(FLAGS_tls_key),
                      .tls_client_ca = absl::GetFlag(FLAGS_tls_client_ca),
                      .auth_tokens = absl::GetFlag(FLAGS_auth_tokens),
                      .health_address = absl::GetFlag(FLAGS_health_address),
                      .max_connections = absl::GetFlag(FLAGS_max_connections),
                      .max_connections_per_peer = absl::GetFlag(FLAGS_max_connections_per_peer),
                      .max_streams = absl::GetFlag(FLAGS_max_streams),
                      .max_metadata_bytes = absl::GetFlag(FLAGS_max_metadata_bytes),
                      .max_connection_idle = absl::GetFlag(FLAGS_max_connection_idle),
                      .max_connection_age = absl::GetFlag(FLAGS_max_connection_age),
                      .connection_age_grace = absl::GetFlag(FLAGS_connection_age_grace),
                      .min_ping_interval = absl::GetFlag(FLAGS_min_ping_interval),
                      .max_grpc_memory = absl::GetFlag(FLAGS_max_grpc_memory)};
  if (!transport.health_address.empty()) {
    RETURN_IF_ERROR(CheckAddress("health_address", transport.health_address));
  }
  RETURN_IF_ERROR(CheckAtLeast("max_connections", transport.max_connections, 0));
  RETURN_IF_ERROR(CheckAtLeast("max_connections_per_peer", transport.max_connections_per_peer, 0));
  RETURN_IF_ERROR(CheckAtLeast("max_streams", transport.max_streams, 1));
  RETURN_IF_ERROR(CheckAtLeast("max_metadata_bytes", transport.max_metadata_bytes, 1024));
  RETURN_IF_ERROR(CheckPositive("max_connection_idle", transport.max_connection_idle));
  RETURN_IF_ERROR(CheckPositive("max_connection_age", transport.max_connection_age));
  RETURN_IF_ERROR(CheckPositive("connection_age_grace", transport.connection_age_grace));
  if (transport.min_ping_interval < absl::ZeroDuration()) {
    return absl::InvalidArgumentError("--min_ping_interval can't be negative");
  }
  if (transport.max_grpc_memory != 0) {
    RETURN_IF_ERROR(
        CheckAtLeast<int64_t>("max_grpc_memory", transport.max_grpc_memory, int64_t{64} << 20));
  }
  return transport;
}

}  // namespace patchserve
