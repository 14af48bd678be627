// The ports: gRPC's, and that of health alone.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "grpcpp/server.h"
#include "server/config/config.h"
#include "server/metrics/metrics.h"
#include "server/net/acceptor.h"
#include "server/rpc/health_service.h"
#include "server/rpc/other_methods.h"
#include "server/rpc/token_file.h"

namespace patchserve {

struct Ports {
  std::unique_ptr<grpc::Server> server;
  std::unique_ptr<grpc::Server> health;  // null without --health_address
  int port = 0;
  int health_port = 0;
  std::shared_ptr<Acceptor> acceptor;  // of connections to `server`: stop it before
  std::shared_ptr<Acceptor> health_acceptor;
  std::string greeting;  // what a client of `server` says first
};

// What gRPC takes as one message: twice what an image may have, so that one that is too long gets
// our error, which says the limit, and not gRPC's.
int64_t MaxMessageBytes(const Config& config);

// Serves `services`, health, reflection and the `others` with the transport security and the limits
// of `config`, and health again on its own port; `metrics` shows the connections. All must outlive
// the servers. `tokens`: null if none are wanted. `max_descriptors`: the process's file
// descriptors, from which the limit of connections follows. Errors: ALREADY_EXISTS,
// FAILED_PRECONDITION: a port can't be had. Those of MakeServerCredentials.
absl::StatusOr<Ports> Listen(const Config& config, const std::vector<grpc::Service*>& services,
                             HealthService& health, OtherMethods& others,
                             std::shared_ptr<TokenFile> tokens, int64_t max_descriptors,
                             Metrics& metrics);

}  // namespace patchserve
