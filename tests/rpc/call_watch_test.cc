#include "server/rpc/call_watch.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "grpcpp/generic/generic_stub.h"
#include "patchserve/v1/classification.grpc.pb.h"
#include "server/rpc/health_service.h"

namespace patchserve {
namespace {

using ::testing::StartsWith;

// A server of health that is watched, and a client.
class CallWatchTest : public ::testing::Test {
 protected:
  void Start(const CallLimits& limits, const std::string& host = "127.0.0.1") {
    watch = std::make_shared<CallWatch>(limits);
    watch->EndWith([this](const std::string& peer) {
      std::lock_guard lock(mutex);
      ended.push_back(peer);
      grew.notify_all();
    });
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort(absl::StrCat(host, ":0"), grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&health);
    builder.RegisterService(&synchronous);
    CallWatch::Install(watch, builder);
    server = builder.BuildAndStart();
    channel =
        grpc::CreateChannel(absl::StrCat(host, ":", port), grpc::InsecureChannelCredentials());
    stub = grpc::health::v1::Health::NewStub(channel);
  }
  void TearDown() override {
    server->Shutdown();
    health.EndWatches();
  }

  std::string WaitForEnd() {
    std::unique_lock lock(mutex);
    grew.wait(lock, [this] { return !ended.empty(); });
    return ended.front();
  }

  HealthService health;
  v1::ImageClassification::Service synchronous;  // as gRPC's own services are; it knows no method
  std::shared_ptr<CallWatch> watch;
  std::unique_ptr<grpc::Server> server;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<grpc::health::v1::Health::Stub> stub;
  std::mutex mutex;
  std::condition_variable grew;
  std::vector<std::string> ended;
};

TEST_F(CallWatchTest, CallsBeyondTheLimitEndTheirConnection) {
  Start({.per_connection = 1, .bytes = 1 << 20});
  grpc::ClientContext one, two;
  const auto first = stub->Watch(&one, {}), second = stub->Watch(&two, {});
  EXPECT_THAT(WaitForEnd(), StartsWith("ipv4:127.0.0.1:"));
  EXPECT_EQ(watch->counts().ended_calls, 1);
  one.TryCancel();
  two.TryCancel();
  first->Finish();
  second->Finish();
}

TEST_F(CallWatchTest, ACallCountsBeforeItsMessageHasCome) {
  Start({.per_connection = 1, .bytes = 1 << 20});
  grpc::GenericStub generic(channel);
  grpc::CompletionQueue queue;
  grpc::ClientContext one, two;
  const auto first = generic.PrepareCall(&one, "/grpc.health.v1.Health/Check", &queue);
  const auto second = generic.PrepareCall(&two, "/grpc.health.v1.Health/Check", &queue);
  first->StartCall(nullptr);
  second->StartCall(nullptr);
  WaitForEnd();
  EXPECT_EQ(watch->counts().ended_calls, 1);
  one.TryCancel();
  two.TryCancel();
  queue.Shutdown();
  void* tag;
  bool ok;
  while (queue.Next(&tag, &ok)) {
  }
}

TEST_F(CallWatchTest, ManyCallsOneAfterTheOtherEndNothing) {
  // A call is over a little later than its client knows.
  Start({.per_connection = 50, .bytes = 51 * CallBudget::kCallBytes});
  for (int i = 0; i < 500; ++i) {
    grpc::ClientContext context;
    grpc::health::v1::HealthCheckResponse response;
    stub->Check(&context, {}, &response);
  }
  EXPECT_TRUE(ended.empty());
  EXPECT_EQ(watch->counts().resets, 0);
}

TEST_F(CallWatchTest, CallsOfASynchronousMethodEndToo) {
  Start({.per_connection = 10, .bytes = 1 << 20});
  const auto classification = v1::ImageClassification::NewStub(channel);
  for (int i = 0; i < 3; ++i) {
    grpc::ClientContext context;
    const auto stream = classification->ClassifyStream(&context);
    EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNIMPLEMENTED);
  }
  EXPECT_EQ(watch->counts().resets, 0);
}

TEST_F(CallWatchTest, AnAnswerCosts) {
  Start({.per_connection = 2, .bytes = CallBudget::kCallBytes});
  health.Set("", true);
  grpc::ClientContext context;
  grpc::health::v1::HealthCheckResponse response;
  EXPECT_TRUE(stub->Check(&context, {}, &response).ok());  // of two bytes
  WaitForEnd();
  EXPECT_EQ(watch->counts().ended_memory, 1);
}

TEST_F(CallWatchTest, CallsThatTheirClientResetsAtOnceAreCounted) {
  Start({.per_connection = 10, .bytes = 1 << 20});
  while (watch->counts().resets == 0) {
    grpc::ClientContext context;
    grpc::health::v1::HealthCheckResponse response;
    const auto watching = stub->Watch(&context, {});
    ASSERT_TRUE(watching->Read(&response));
    context.TryCancel();
    watching->Finish();
  }
}

TEST_F(CallWatchTest, AnIPv6PeerIsCalledAsTheAcceptorCallsIt) {
  Start({.per_connection = 0, .bytes = 1 << 20}, "[::1]");
  grpc::ClientContext context;
  grpc::health::v1::HealthCheckResponse response;
  stub->Check(&context, {}, &response);
  EXPECT_THAT(WaitForEnd(), StartsWith("ipv6:%5B::1%5D:"));
}

}  // namespace
}  // namespace patchserve
