#include "server/probe.h"

#include <cstdio>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "grpcpp/create_channel.h"

namespace patchserve {

int Probe(const std::string& address, const std::string& service) {
  using grpc::health::v1::HealthCheckResponse;
  const auto health = grpc::health::v1::Health::NewStub(
      grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(2)));
  grpc::health::v1::HealthCheckRequest request;
  HealthCheckResponse response;
  request.set_service(service);
  const grpc::Status status = health->Check(&context, request, &response);
  if (!status.ok()) {
    std::fprintf(stderr, "%s: %s\n", address.c_str(), status.error_message().c_str());
    return 1;
  }
  if (response.status() == HealthCheckResponse::SERVING) return 0;
  std::fprintf(stderr, "%s: %s\n", address.c_str(),
               HealthCheckResponse::ServingStatus_Name(response.status()).c_str());
  return 1;
}

}  // namespace patchserve
