#include <signal.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "tests/model/random_checkpoint.h"
#include "tests/system/http_get.h"
#include "tests/system/server_fixture.h"
#include "tests/temporary_folder.h"

namespace patchserve {
namespace {

// A model of about 50 ms an image on one core: 20 requests keep a server busy for a
// while.
class ShutdownSystemTest : public ::testing::Test {
 protected:
  ShutdownSystemTest() {
    const auto spec = NamedCheckpoint("vit_tiny_patch16_224");
    EXPECT_TRUE(WriteRandomCheckpoint(folder.path("slow"), *spec, 1).ok());
  }

  std::vector<std::string> Arguments(const std::string& lame_duck) {
    return {"--models=" + folder.path("slow"), "--lame_duck=" + lame_duck,
            "--default_deadline=60s"};
  }

  static int InFlight(ServingProcess& server) {
    const std::string scrape = HttpGet(server.process.metrics_address(), "/metrics");
    const std::string name = "\npatchserve_in_flight ";
    return std::stoi(scrape.substr(scrape.find(name) + name.size()));
  }

  TemporaryFolder folder;
};

TEST_F(ShutdownSystemTest, SigtermAnswersEveryRequestInFlightAndExitsZero) {
  ServingProcess server(Arguments("0s"));
  ASSERT_TRUE(server.serving) << server.process.log();
  constexpr int kRequests = 20;
  std::atomic<int> answered = 0;
  std::vector<std::thread> callers;
  const v1::ClassifyRequest request = EncodedRequest(TestImage("chelsea.jpg"));
  for (int i = 0; i < kRequests; ++i) {
    callers.emplace_back([&] {
      v1::ClassifyResponse response;
      const grpc::Status status = server.Classify(request, &response);
      EXPECT_TRUE(status.ok()) << status.error_message();
      ++answered;
    });
  }
  // Until all have come: answered, or else in flight, and none is counted twice.
  for (int received = 0; received < kRequests;) {
    received = answered;
    received += InFlight(server);
  }
  server.process.Signal(SIGTERM);
  EXPECT_EQ(server.process.WaitForExit(), 0);
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(answered, kRequests);
}

TEST_F(ShutdownSystemTest, InTheLameDuckTimeHealthSaysNotServingAndRequestsAreAnswered) {
  ServingProcess server(Arguments("60s"));
  ASSERT_TRUE(server.serving) << server.process.log();
  grpc::ClientContext context;
  grpc::health::v1::HealthCheckResponse state;
  auto watch = server.health->Watch(&context, {});
  ASSERT_TRUE(watch->Read(&state));
  EXPECT_EQ(state.status(), grpc::health::v1::HealthCheckResponse::SERVING);

  server.process.Signal(SIGTERM);
  ASSERT_TRUE(watch->Read(&state));
  EXPECT_EQ(state.status(), grpc::health::v1::HealthCheckResponse::NOT_SERVING);
  v1::ClassifyResponse response;
  EXPECT_TRUE(server.Classify(EncodedRequest(TestImage("chelsea.jpg")), &response).ok());

  server.process.Signal(SIGTERM);  // a second one ends it at once
  EXPECT_EQ(server.process.WaitForExit(), 1);
}

TEST_F(ShutdownSystemTest, SigtermWhileModelsLoadEndsTheServer) {
  ServerProcess process(Arguments("0s"));
  process.address();  // it listens; the model takes a while to warm
  process.Signal(SIGTERM);
  EXPECT_EQ(process.WaitForExit(), 0);
}

}  // namespace
}  // namespace patchserve
