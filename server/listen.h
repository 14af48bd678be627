// The ports: gRPC's, and that of health alone.
#pragma once

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "grpcpp/server.h"
#include "server/config/config.h"
#include "server/rpc/health_service.h"

namespace patchserve {

struct Ports {
  std::unique_ptr<grpc::Server> server;
  std::unique_ptr<grpc::Server> health;  // null without --health_address
  int port = 0;
  int health_port = 0;
};

// Serves `services`, health and reflection with the transport security and the limits of `config`,
// and health again on its own port. All must outlive the servers.
// Errors: FAILED_PRECONDITION: a port is in use. Those of MakeServerCredentials.
absl::StatusOr<Ports> Listen(const Config& config, const std::vector<grpc::Service*>& services,
                             HealthService& health);

}  // namespace patchserve
