#include "server/rpc/health_service.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <memory>
#include <string>

#include "tests/rpc/garbage.h"

namespace patchserve {
namespace {

using grpc::health::v1::Health;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

class HealthServiceTest : public ::testing::Test {
 protected:
  HealthServiceTest() {
    grpc::ServerBuilder builder;
    builder.RegisterService(&health);
    server = builder.BuildAndStart();
    channel = server->InProcessChannel({});
    stub = Health::NewStub(channel);
  }
  ~HealthServiceTest() override {
    health.EndWatches();
    server->Shutdown();
  }

  static HealthCheckRequest Named(const std::string& name) {
    HealthCheckRequest request;
    request.set_service(name);
    return request;
  }

  grpc::Status Check(const std::string& name) {
    grpc::ClientContext context;
    return stub->Check(&context, Named(name), &response);
  }

  std::atomic<int> refused = 0;
  HealthService health{[this] { ++refused; }};
  HealthCheckResponse response;
  std::unique_ptr<grpc::Server> server;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<Health::Stub> stub;
};

TEST_F(HealthServiceTest, CheckTellsTheStateOfAName) {
  health.Set("vit", true);
  ASSERT_TRUE(Check("vit").ok());
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVING);
  health.Set("vit", false);
  ASSERT_TRUE(Check("vit").ok());
  EXPECT_EQ(response.status(), HealthCheckResponse::NOT_SERVING);
}

TEST_F(HealthServiceTest, AMessageThatCantBeParsedIsInvalidAndCounted) {
  int calls = 0;
  for (const char* method : {"/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"}) {
    const grpc::Status status = CallWithGarbage(channel, method);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << method;
    EXPECT_THAT(status.error_message(), ::testing::HasSubstr("can't be parsed")) << method;
    EXPECT_EQ(refused, ++calls);
  }
}

TEST_F(HealthServiceTest, CheckOfAnUnknownNameIsNotFound) {
  EXPECT_EQ(Check("nobody").error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(HealthServiceTest, AHugeNameIsInvalidAndALongOneIsNotSentBackWhole) {
  const std::string huge(50'000, 'x');
  EXPECT_EQ(Check(huge).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  grpc::ClientContext context;
  auto watch = stub->Watch(&context, Named(huge));
  EXPECT_FALSE(watch->Read(&response));
  EXPECT_EQ(watch->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(refused, 2);
  const grpc::Status unknown = Check(std::string(4000, 'x'));
  EXPECT_EQ(unknown.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_LT(unknown.error_message().size(), 500);
}

TEST_F(HealthServiceTest, WatchSendsTheStateAndEachChange) {
  health.Set("vit", false);
  grpc::ClientContext context;
  auto watch = stub->Watch(&context, Named("vit"));
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::NOT_SERVING);
  health.Set("other", true);
  health.Set("vit", true);
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVING);
  health.EndServing("");
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::NOT_SERVING);
}

TEST_F(HealthServiceTest, AModelThatGetsReadyWhileTheServerStopsIsNotServing) {
  health.Set("liveness", true);
  health.Set("vit", false);
  health.EndServing("liveness");
  health.Set("vit", true);
  ASSERT_TRUE(Check("vit").ok());
  EXPECT_EQ(response.status(), HealthCheckResponse::NOT_SERVING);
  ASSERT_TRUE(Check("liveness").ok());
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVING);
}

TEST_F(HealthServiceTest, WatchOfAnUnknownNameWaitsUntilItIsKnown) {
  grpc::ClientContext context;
  auto watch = stub->Watch(&context, Named("later"));
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVICE_UNKNOWN);
  health.Set("later", true);
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVING);
}

TEST_F(HealthServiceTest, WatchesEndWithTheServer) {
  health.Set("", true);
  grpc::ClientContext context;
  auto watch = stub->Watch(&context, Named(""));
  ASSERT_TRUE(watch->Read(&response));
  health.EndWatches();
  EXPECT_FALSE(watch->Read(&response));
  EXPECT_EQ(watch->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(HealthServiceTest, AWatcherThatGoesAwayIsForgotten) {
  health.Set("", true);
  {
    grpc::ClientContext context;
    auto watch = stub->Watch(&context, Named(""));
    ASSERT_TRUE(watch->Read(&response));
    context.TryCancel();
    EXPECT_EQ(watch->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  health.Set("", false);  // nobody is told, nothing breaks
  ASSERT_TRUE(Check("").ok());
}

}  // namespace
}  // namespace patchserve
