#include "server/listen.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "grpcpp/impl/server_builder_option.h"
#include "grpcpp/server_builder.h"
#include "server/base/status.h"
#include "server/logging.h"
#include "server/net/greeting.h"
#include "server/net/listening_sockets.h"
#include "server/rpc/call_watch.h"
#include "server/rpc/credentials.h"
#include "server/rpc/limits.h"
#include "server/rpc/parsed_method.h"
#include "spdlog/spdlog.h"

namespace patchserve {
namespace {

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

void ShowTls(const Credentials& files, Metrics& metrics) {
  // gRPC doesn't say when it has read new ones: a scrape finds out. One at a time.
  metrics.ShowCertificateEnd(
      [&metrics, files, known = CheckTlsFiles(files)]() mutable -> std::optional<absl::Time> {
        const auto now = CheckTlsFiles(files);
        if (now != known && now.ok()) {
          spdlog::info("new TLS files fit: {} ends at {}", files.certificate,
                       absl::FormatTime(now->end, absl::UTCTimeZone()));
        } else if (now != known) {
          spdlog::error("new TLS files are refused: {}", std::string(now.status().message()));
        }
        if (now != known) metrics.CertificateChanged(now.ok());
        known = now;
        if (!now.ok()) return std::nullopt;
        return now->end;
      });
  CountHandshakeFailures(
      [&metrics](const std::string& reason) { metrics.HandshakeFailed(reason); });
}

// Descriptors for everything but connections to the main port: files, /metrics, probes.
constexpr int64_t kReservedDescriptors = 256;
// An idle connection takes 21 kB, with TLS 87 (2026-11-28, 3,000 of them, by the resident memory).
constexpr int64_t kMostByDefault = 10'000;
// Probes come from few places; a flood on their port mustn't take the descriptors of the other.
constexpr PortLimits kProbes = {.total = 128, .per_peer = 128};

PortLimits ConnectionsOf(const Transport& transport, int64_t max_descriptors) {
  const int64_t left = std::max(max_descriptors / 2, max_descriptors - kReservedDescriptors);
  const int64_t total = transport.max_connections > 0
                            ? transport.max_connections
                            : std::clamp<int64_t>(left, 1, kMostByDefault);
  const int64_t per_peer = transport.max_connections_per_peer > 0
                               ? transport.max_connections_per_peer
                               : std::max<int64_t>(1, total / 2);
  return {.total = static_cast<int>(total), .per_peer = static_cast<int>(per_peer)};
}

// A client that keeps to its limit of streams has half as many calls. Half of the memory: over all
// of it, gRPC itself ends calls, whoever's they are.
CallLimits CallsOf(const Transport& transport) {
  return {.per_connection = 2 * transport.max_streams, .bytes = transport.max_grpc_memory / 2};
}

struct Started {
  std::unique_ptr<grpc::Server> server;
  std::shared_ptr<Acceptor> acceptor;
  std::function<ConnectionCounts()> counts;
  int port = 0;
};

absl::StatusOr<Started> Start(grpc::ServerBuilder& builder, const std::string& address,
                              std::shared_ptr<grpc::ServerCredentials> credentials,
                              const PortLimits& limits, const CallLimits& calls) {
  absl::StatusOr<ListeningSockets> sockets = ListenOn(address);
  if (!sockets.ok()) {
    return absl::Status(sockets.status().code(), absl::StrCat("can't serve gRPC on ", address, ": ",
                                                              sockets.status().message()));
  }
  using ConnectionType = grpc::ServerBuilder::experimental_type::ExternalConnectionType;
  std::shared_ptr<grpc::experimental::ExternalConnectionAcceptor> grpc_side =
      builder.experimental().AddExternalConnectionAcceptor(ConnectionType::FROM_FD,
                                                           std::move(credentials));
  const auto watch = std::make_shared<CallWatch>(calls);
  CallWatch::Install(watch, builder);
  Started started{.server = builder.BuildAndStart(), .port = sockets->port};
  if (started.server == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat("gRPC doesn't start for ", address));
  }
  const auto take = [grpc_side, watch](int fd, const std::string& peer) {
    watch->Connected(peer);
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
    connection.fd = fd;
    grpc_side->HandleNewConnection(&connection);
  };
  started.acceptor = std::make_shared<Acceptor>(*std::move(sockets), limits, take);
  watch->EndWith([weak = std::weak_ptr(started.acceptor)](const std::string& peer) {
    if (const auto acceptor = weak.lock()) acceptor->Reset(peer);
  });
  started.counts = [watch, acceptor = started.acceptor] {
    ConnectionCounts counts = acceptor->counts();
    const CallCounts of_calls = watch->counts();
    counts.ended_calls = of_calls.ended_calls;
    counts.ended_memory = of_calls.ended_memory;
    counts.ended_resets = of_calls.ended_resets;
    counts.resets = of_calls.resets;
    return counts;
  };
  return started;
}

}  // namespace

int64_t MaxMessageBytes(const Config& config) { return 2 * config.max_image_bytes + (1 << 20); }

absl::StatusOr<Ports> Listen(const Config& config, const std::vector<grpc::Service*>& services,
                             HealthService& health, OtherMethods& others,
                             std::shared_ptr<TokenFile> tokens, int64_t max_descriptors,
                             Metrics& metrics) {
  const Transport& transport = config.transport;
  const auto refused = [&metrics](const std::string& reason) { metrics.CallRefused(reason); };
  const Credentials files = {.certificate = transport.tls_cert,
                             .key = transport.tls_key,
                             .client_ca = transport.tls_client_ca,
                             .tokens = std::move(tokens),
                             .refused = refused};
  ASSIGN_OR_RETURN(const auto credentials, MakeServerCredentials(files));
  if (!transport.tls_cert.empty()) ShowTls(files, metrics);
  Ports ports;
  grpc::ServerBuilder builder;
  for (grpc::Service* service : services) builder.RegisterService(service);
  builder.RegisterService(&health);
  builder.RegisterCallbackGenericService(&others);
  SetLimits(Limits(transport, MaxMessageBytes(config)), builder);
  const PortLimits connections = ConnectionsOf(transport, max_descriptors);
  ASSIGN_OR_RETURN(Started main,
                   Start(builder, config.address, credentials, connections, CallsOf(transport)));
  ports.server = std::move(main.server);
  ports.port = main.port;
  ports.acceptor = main.acceptor;
  ports.greeting = transport.tls_cert.empty() ? Http2Greeting() : TlsGreeting();
  metrics.ShowConnections("grpc", main.counts);
  spdlog::info("at most {} connections, {} of them from one address", connections.total,
               connections.per_peer);
  if (transport.health_address.empty()) return ports;

  grpc::ServerBuilder probes;
  probes.RegisterService(&health);
  SetLimits(Limits(transport, kLongestWithoutImage), probes);
  ASSIGN_OR_RETURN(Started health_only,
                   Start(probes, transport.health_address, grpc::InsecureServerCredentials(),
                         kProbes, CallsOf(transport)));
  ports.health = std::move(health_only.server);
  ports.health_port = health_only.port;
  ports.health_acceptor = health_only.acceptor;
  metrics.ShowConnections("health", health_only.counts);
  return ports;
}

}  // namespace patchserve
