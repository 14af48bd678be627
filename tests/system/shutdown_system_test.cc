#include <signal.h>

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "client/classifier_client.h"
#include "tests/eventually.h"
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

// Callers that call again and again, and notice nothing of a shutdown but what they are answered.
class Callers {
 public:
  explicit Callers(const std::string& address) {
    for (int i = 0; i < kCallers; ++i) threads_.emplace_back([this, address] { Run(address); });
  }
  ~Callers() { Stop(); }

  void WaitForAnswers(int count) const {
    Eventually("answers", [&] { return answers_ >= count; });
  }
  void Stop() {
    stopping_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

  static constexpr int kCallers = 8;
  // How often, by code; UNAVAILABLE only where the server said so. After Stop.
  std::map<grpc::StatusCode, int> answered;

 private:
  void Run(const std::string& address) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    const auto stub = v1::ImageClassification::NewStub(
        grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
    const v1::ClassifyRequest request = EncodedRequest(TestImage("rgb.png"));
    while (!stopping_) {
      grpc::ClientContext context;
      v1::ClassifyResponse response;
      const grpc::Status status = stub->Classify(&context, request, &response);
      ++answers_;
      const bool by_grpc = status.error_code() == grpc::StatusCode::UNAVAILABLE &&
                           status.error_message() != "the server is shutting down";
      std::lock_guard lock(mutex_);
      if (!by_grpc) ++answered[status.error_code()];
    }
  }

  std::atomic<bool> stopping_ = false;
  std::atomic<int> answers_ = 0;
  std::mutex mutex_;  // guards `answered`
  std::vector<std::thread> threads_;
};

// In the last figures of the log.
int Counted(const std::string& log, const std::string& code) {
  const std::string line = "\npatchserve_requests_total{code=\"" + code + "\",model=\"vit\"} ";
  const size_t found = log.rfind(line);
  return found == std::string::npos ? 0 : std::stoi(log.substr(found + line.size()));
}

TEST_F(ShutdownSystemTest, CallersUnderLoadAreAnsweredOkOrUnavailableAndAllAreCounted) {
  for (const char* refuse_for : {"200ms", "0s"}) {
    ServingProcess server({"--models=" + kTestModels + "/vit", "--lame_duck=0s",
                           std::string("--refuse_for=") + refuse_for, "--log_level=debug"});
    ASSERT_TRUE(server.serving) << server.process.log();
    Callers callers(server.process.address());
    callers.WaitForAnswers(100);
    server.process.Signal(SIGTERM);
    EXPECT_EQ(server.process.WaitForExit(), 0);
    callers.Stop();
    ASSERT_TRUE(server.process.WaitForLog("the last figures"));
    server.process.WaitForLog("the end of the log");
    const std::string log = server.process.log();
    int& refused = callers.answered[grpc::StatusCode::UNAVAILABLE];
    EXPECT_EQ(callers.answered.size(), 2u) << callers.answered.rbegin()->first;
    EXPECT_EQ(callers.answered[grpc::StatusCode::OK], Counted(log, "OK"));
    // The end of the connections may overtake a refusal of each.
    EXPECT_LE(refused, Counted(log, "UNAVAILABLE"));
    EXPECT_GE(refused, Counted(log, "UNAVAILABLE") - Callers::kCallers);
  }
}

TEST_F(ShutdownSystemTest, AClientThatKnowsTwoServersLosesNothingWhenOneStops) {
  const std::vector<std::string> arguments = {"--models=" + kTestModels + "/vit", "--lame_duck=0s",
                                              "--refuse_for=200ms"};
  ServingProcess stays(arguments), stops(arguments);
  ASSERT_TRUE(stays.serving && stops.serving);
  const ClassifierClient client(
      Connect("ipv4:" + stays.process.address() + "," + stops.process.address()));
  std::atomic<bool> stopped = false;
  std::atomic<int> answers = 0;
  std::vector<std::thread> callers;
  for (int i = 0; i < 8; ++i) {
    callers.emplace_back([&] {
      while (!stopped) {
        const auto answer = client.Classify(TestImage("rgb.png"), {});
        EXPECT_TRUE(answer.ok()) << answer.status();
        ++answers;
      }
    });
  }
  Eventually("answers", [&] { return answers >= 100; });
  stops.process.Signal(SIGTERM);
  EXPECT_EQ(stops.process.WaitForExit(), 0);
  const int before = answers;
  Eventually("answers after the stop", [&] { return answers >= before + 100; });
  stopped = true;
  for (std::thread& caller : callers) caller.join();
}

TEST_F(ShutdownSystemTest, SigtermWhileModelsLoadEndsTheServer) {
  ServerProcess process(Arguments("0s"));
  process.address();  // it listens; the model takes a while to warm
  process.Signal(SIGTERM);
  EXPECT_EQ(process.WaitForExit(), 0);
}

}  // namespace
}  // namespace patchserve
