// What one connection, and all of them together, may cost.
#pragma once

#include <cstdint>

#include "absl/time/time.h"
#include "grpcpp/server_builder.h"

namespace patchserve {

struct ConnectionLimits {
  // A longer message is RESOURCE_EXHAUSTED, from gRPC.
  int64_t max_message_bytes = 0;
  // Calls that are open at once on a connection; the client holds further ones back.
  int max_streams = 0;
  // A call with more metadata is RESOURCE_EXHAUSTED, from gRPC, which may then close the
  // connection too (1.51).
  int max_metadata_bytes = 0;
  // A connection without a call is closed after this.
  absl::Duration max_idle;
  // A connection is told to take no new calls after this, give or take a tenth, so that clients
  // resolve and balance anew; calls that are open then have `age_grace` to end.
  absl::Duration max_age;
  absl::Duration age_grace;
  // A client that pings more often, three times, is thrown out (ENHANCE_YOUR_CALM).
  absl::Duration min_ping_interval;
  // Memory of gRPC's buffers: over it, gRPC reads more slowly and takes no new connections.
  int64_t max_memory_bytes = 0;
};

// Durations may be infinite: no limit. Also refuses compressed messages (UNIMPLEMENTED), which may
// be a thousand times as long as they look, and drops peers that have vanished within three
// minutes, and handshakes that take ten seconds.
void SetLimits(const ConnectionLimits& limits, grpc::ServerBuilder& builder);

}  // namespace patchserve
