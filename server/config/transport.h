// How the server is reached, and what a connection may cost: the flags, checked.
#pragma once

#include <cstdint>
#include <string>

#include "absl/flags/declare.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

ABSL_DECLARE_FLAG(std::string, tls_cert);
ABSL_DECLARE_FLAG(std::string, tls_key);
ABSL_DECLARE_FLAG(std::string, tls_client_ca);
ABSL_DECLARE_FLAG(std::string, auth_tokens);
ABSL_DECLARE_FLAG(std::string, health_address);
ABSL_DECLARE_FLAG(int, max_connections);
ABSL_DECLARE_FLAG(int, max_connections_per_peer);
ABSL_DECLARE_FLAG(int, max_streams);
ABSL_DECLARE_FLAG(int, max_metadata_bytes);
ABSL_DECLARE_FLAG(absl::Duration, max_connection_idle);
ABSL_DECLARE_FLAG(absl::Duration, max_connection_age);
ABSL_DECLARE_FLAG(absl::Duration, connection_age_grace);
ABSL_DECLARE_FLAG(absl::Duration, min_ping_interval);
ABSL_DECLARE_FLAG(int64_t, max_grpc_memory);

namespace patchserve {

struct Transport {
  // Paths, each may be empty.
  std::string tls_cert, tls_key, tls_client_ca, auth_tokens;
  std::string health_address;        // of health alone, in plaintext; empty: none
  int max_connections = 0;           // 0: as many as the process may have, up to 10,000
  int max_connections_per_peer = 0;  // 0: half of them
  int max_streams = 0;               // >= 1
  int max_metadata_bytes = 0;        // >= 1024
  // > 0, possibly infinite
  absl::Duration max_connection_idle, max_connection_age, connection_age_grace;
  absl::Duration min_ping_interval;  // >= 0
  int64_t max_grpc_memory = 0;       // >= 64 MiB
};

// Errors: INVALID_ARGUMENT: a value that isn't allowed, naming its flag.
absl::StatusOr<Transport> ReadTransport();

}  // namespace patchserve
