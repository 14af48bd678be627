// The ways to the server that a load takes.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/classifier_client.h"

namespace patchserve {

struct ConnectionsWanted {
  std::string server;
  int count = 1;
  // One ClassifyStream call a connection; else a call a request.
  bool stream = false;
  // By gRPC's service config for calls; a stream's client does it itself, until the deadline.
  bool retries = false;
  Security security;
  // The most requests of one stream that may be unanswered.
  int max_unanswered = 64;
};

// TCP connections that are up, each of its own. Blocks.
// Errors: UNAVAILABLE: not all of them are up within 10 s.
absl::StatusOr<std::vector<ClassifyFunction>> OpenConnections(const ConnectionsWanted& wanted);

}  // namespace patchserve
