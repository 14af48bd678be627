#include "server/rpc/limits.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/rpc/health_service.h"

namespace patchserve {
namespace {

ConnectionLimits Generous() {
  return {.max_message_bytes = 1 << 20,
          .max_streams = 100,
          .max_metadata_bytes = 8192,
          .max_idle = absl::InfiniteDuration(),
          .max_age = absl::InfiniteDuration(),
          .age_grace = absl::InfiniteDuration(),
          .min_ping_interval = absl::Seconds(10),
          .max_memory_bytes = 64 << 20};
}

// A server of health with limits, and a client with a connection of its own.
class LimitsTest : public ::testing::Test {
 protected:
  void Start(const ConnectionLimits& limits, const grpc::ChannelArguments& arguments = {}) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&health);
    SetLimits(limits, builder);
    health.Set("", true);
    server = builder.BuildAndStart();
    channel = grpc::CreateCustomChannel(absl::StrCat("127.0.0.1:", port),
                                        grpc::InsecureChannelCredentials(), arguments);
    stub = grpc::health::v1::Health::NewStub(channel);
  }

  grpc::Status Check(grpc::ClientContext& context, const std::string& service = "") {
    grpc::health::v1::HealthCheckRequest request;
    grpc::health::v1::HealthCheckResponse response;
    request.set_service(service);
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(30)));
    return stub->Check(&context, request, &response);
  }

  void TearDown() override { server->Shutdown(); }

  HealthService health;
  int port = 0;
  std::unique_ptr<grpc::Server> server;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<grpc::health::v1::Health::Stub> stub;
};

TEST_F(LimitsTest, ALongerMessageIsRefused) {
  ConnectionLimits limits = Generous();
  limits.max_message_bytes = 1000;
  Start(limits);
  grpc::ClientContext context;
  EXPECT_EQ(Check(context, std::string(2000, 'x')).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(LimitsTest, ACompressedMessageIsRefusedWithATextHoweverSmallItIs) {
  for (const auto& [algorithm, name] :
       {std::pair{GRPC_COMPRESS_GZIP, "gzip"}, std::pair{GRPC_COMPRESS_DEFLATE, "deflate"}}) {
    Start(Generous());
    grpc::ClientContext context;
    context.set_compression_algorithm(algorithm);
    const grpc::Status status = Check(context, std::string(1000, 'x'));
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
    EXPECT_EQ(status.error_message(),
              absl::StrCat("Compression algorithm '", name, "' is disabled."));
    server->Shutdown();
  }
}

TEST_F(LimitsTest, MoreMetadataIsRefused) {
  Start(Generous());
  grpc::ClientContext context;
  context.AddMetadata("x", std::string(10'000, 'x'));
  EXPECT_EQ(Check(context).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(LimitsTest, ACallBeyondTheStreamsOfAConnectionWaitsForOneToEnd) {
  ConnectionLimits limits = Generous();
  limits.max_streams = 1;
  Start(limits);
  grpc::ClientContext watching;
  grpc::health::v1::HealthCheckResponse state;
  auto watch = stub->Watch(&watching, {});
  ASSERT_TRUE(watch->Read(&state));
  grpc::ClientContext impatient;
  impatient.set_deadline(absl::ToChronoTime(absl::Now() + absl::Milliseconds(200)));
  grpc::health::v1::HealthCheckResponse response;
  EXPECT_EQ(stub->Check(&impatient, {}, &response).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  watching.TryCancel();
  watch->Finish();
  grpc::ClientContext context;
  EXPECT_TRUE(Check(context).ok());
}

TEST_F(LimitsTest, AnOldConnectionIsLeftWithoutAFailedCallAndItsStreamEndsInTheGraceTime) {
  ConnectionLimits limits = Generous();
  limits.max_age = absl::Milliseconds(100);
  Start(limits);
  grpc::ClientContext watching;
  grpc::health::v1::HealthCheckResponse state;
  auto watch = stub->Watch(&watching, {});
  ASSERT_TRUE(watch->Read(&state));
  // The channel leaves the connection, and the stream on it lives on.
  while (channel->GetState(false) == GRPC_CHANNEL_READY) {
    channel->WaitForStateChange(GRPC_CHANNEL_READY, absl::ToChronoTime(absl::InfiniteFuture()));
  }
  health.Set("", false);
  EXPECT_TRUE(watch->Read(&state));
  EXPECT_EQ(state.status(), grpc::health::v1::HealthCheckResponse::NOT_SERVING);
  grpc::ClientContext context;
  EXPECT_TRUE(Check(context).ok());
  watching.TryCancel();
  watch->Finish();
}

TEST_F(LimitsTest, AnIdleConnectionIsClosed) {
  ConnectionLimits limits = Generous();
  limits.max_idle = absl::Milliseconds(100);
  Start(limits);
  grpc::ClientContext context;
  ASSERT_TRUE(Check(context).ok());
  EXPECT_TRUE(channel->WaitForStateChange(GRPC_CHANNEL_READY,
                                          absl::ToChronoTime(absl::Now() + absl::Seconds(60))));
}

TEST_F(LimitsTest, AClientThatPingsTooOftenIsThrownOut) {
  ConnectionLimits limits = Generous();
  limits.min_ping_interval = absl::Minutes(1);
  grpc::ChannelArguments pinging;
  pinging.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 100);
  pinging.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  pinging.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  pinging.SetInt("grpc.http2.min_time_between_pings_ms", 100);
  Start(limits, pinging);
  grpc::ClientContext watching;
  grpc::health::v1::HealthCheckResponse state;
  auto watch = stub->Watch(&watching, {});
  ASSERT_TRUE(watch->Read(&state));
  EXPECT_FALSE(watch->Read(&state));  // until the connection ends
  EXPECT_EQ(watch->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace patchserve
