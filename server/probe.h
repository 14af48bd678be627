// What a container's health check runs, where there is no shell: a program of its own, since
// loading LibTorch, or only gRPC, costs more CPU than everything else about a probe.
#pragma once

#include <string>

namespace patchserve {

// Asks the server at `address` ("HOST:PORT", in plaintext) by grpc.health.v1.Health.Check whether
// `service` ("": everything) is SERVING. Empty if it is; else why not. Takes at most two seconds.
std::string Probe(const std::string& address, const std::string& service);

}  // namespace patchserve
