#include "server/listen.h"

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/impl/server_builder_option.h"
#include "grpcpp/server_builder.h"
#include "server/base/status.h"
#include "server/rpc/credentials.h"
#include "server/rpc/limits.h"

namespace patchserve {
namespace {

// Twice what an image may have, so that one that is too long gets our error, which says the limit,
// and not gRPC's.
int64_t MaxMessage(const Config& config) { return 2 * config.max_image_bytes + (1 << 20); }

// A probe's message has a few bytes.
constexpr int64_t kMaxHealthMessage = 4096;

ConnectionLimits Limits(const Transport& transport, int64_t max_message_bytes) {
  return {.max_message_bytes = max_message_bytes,
          .max_streams = transport.max_streams,
          .max_metadata_bytes = transport.max_metadata_bytes,
          .max_idle = transport.max_connection_idle,
          .max_age = transport.max_connection_age,
          .age_grace = transport.connection_age_grace,
          .min_ping_interval = transport.min_ping_interval,
          .max_memory_bytes = transport.max_grpc_memory};
}

// Reflection is a plugin of every server of the process: of this one it isn't.
class NoReflection : public grpc::ServerBuilderOption {
 public:
  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    plugins->clear();
  }
};

absl::StatusOr<std::unique_ptr<grpc::Server>> Start(grpc::ServerBuilder& builder,
                                                    const std::string& address, const int& port) {
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server != nullptr && port != 0) return server;
  return absl::FailedPreconditionError(
      absl::StrCat("can't serve gRPC on ", address, " (is it in use?)"));
}

}  // namespace

absl::StatusOr<Ports> Listen(const Config& config, const std::vector<grpc::Service*>& services,
                             HealthService& health) {
  const Transport& transport = config.transport;
  ASSIGN_OR_RETURN(const auto credentials,
                   MakeServerCredentials({.certificate = transport.tls_cert,
                                          .key = transport.tls_key,
                                          .client_ca = transport.tls_client_ca,
                                          .tokens = transport.auth_tokens}));
  Ports ports;
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  builder.AddListeningPort(config.address, credentials, &ports.port);
  for (grpc::Service* service : services) builder.RegisterService(service);
  builder.RegisterService(&health);
  SetLimits(Limits(transport, MaxMessage(config)), builder);
  ASSIGN_OR_RETURN(ports.server, Start(builder, config.address, ports.port));
  if (transport.health_address.empty()) return ports;

  grpc::ServerBuilder probes;
  probes.AddListeningPort(transport.health_address, grpc::InsecureServerCredentials(),
                          &ports.health_port);
  probes.RegisterService(&health);
  probes.SetOption(std::make_unique<NoReflection>());
  SetLimits(Limits(transport, kMaxHealthMessage), probes);
  ASSIGN_OR_RETURN(ports.health, Start(probes, transport.health_address, ports.health_port));
  return ports;
}

}  // namespace patchserve
