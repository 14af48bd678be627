// The real program `loadgen` against a fake server.
#include <gmock/gmock.h>

#include <atomic>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/client/fake_server.h"
#include "tests/client/run_program.h"
#include "tests/eventually.h"
#include "tests/temporary_folder.h"

namespace patchserve {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

class LoadgenTest : public testing::Test {
 protected:
  Finished Load(const FakeServer& server, std::vector<std::string> flags) {
    flags.insert(flags.begin(), {LOADGEN_PROGRAM, "--server=" + server.address(), photo,
                                 "--warm_up=50ms", "--duration=200ms"});
    return RunProgram(flags);
  }
  nlohmann::json JsonOf(const FakeServer& server, std::vector<std::string> flags) {
    flags.push_back("--json=-");
    const Finished run = Load(server, flags);
    EXPECT_TRUE(nlohmann::json::accept(run.out)) << run.out << run.err;
    return nlohmann::json::parse(run.out, nullptr, /*allow_exceptions=*/false);
  }

  TemporaryFolder folder;
  const std::string photo = folder.Write("a.jpg", "a");
};

FakeServer::Answer Refuse(grpc::StatusCode code) {
  return [code](auto&, auto&, auto&) { return grpc::Status(code, "no"); };
}

TEST_F(LoadgenTest, AClosedLoopCountsItsAnswers) {
  FakeServer server;
  const auto json = JsonOf(server, {"--concurrency=2"});
  EXPECT_EQ(json["mode"], "closed");
  EXPECT_GT(json["requests"], 0);
  EXPECT_EQ(json["results"]["OK"], json["requests"]);
  EXPECT_EQ(json["throughput_per_s"], json["goodput_per_s"]);
  EXPECT_LE(json["latency_ms"]["p50"], json["latency_ms"]["p99"]);
}

TEST_F(LoadgenTest, AnOpenLoopOffersItsRate) {
  FakeServer server;
  const auto json = JsonOf(server, {"--rate=100", "--arrivals=constant"});
  EXPECT_EQ(json["requests"], 20);
  EXPECT_EQ(json["offered_per_s"], 100);
}

TEST_F(LoadgenTest, StreamsOnManyConnectionsAreAskedLikeCalls) {
  std::mutex mutex;
  std::set<std::string> peers;  // guarded by mutex
  FakeServer server([&](grpc::ServerContext& context, const v1::ClassifyRequest& request,
                        v1::ClassifyResponse& response) {
    std::lock_guard lock(mutex);
    peers.insert(context.peer());
    return FakeServer::PictureOfItsBytes(context, request, response);
  });
  const auto json = JsonOf(server, {"--stream", "--connections=3", "--rate=100"});
  EXPECT_GT(json["results"]["OK"], 0);
  EXPECT_EQ(json["results"]["OK"], json["requests"]);
  EXPECT_THAT(peers, SizeIs(3));
}

TEST_F(LoadgenTest, EmbeddingsAreAskedForWhereAFlagSaysSo) {
  std::atomic<bool> asked = false;
  FakeServer server([&](auto&, const v1::ClassifyRequest& request, auto&) {
    asked = request.embedding();
    return grpc::Status::OK;
  });
  EXPECT_EQ(JsonOf(server, {"--embedding"})["embedding"], true);
  EXPECT_TRUE(asked);
}

TEST_F(LoadgenTest, CallsUseManyConnectionsToo) {
  std::mutex mutex;
  std::set<std::string> peers;  // guarded by mutex
  FakeServer server([&](grpc::ServerContext& context, auto&, auto&) {
    std::lock_guard lock(mutex);
    peers.insert(context.peer());
    return grpc::Status::OK;
  });
  Load(server, {"--connections=3"});
  EXPECT_THAT(peers, SizeIs(3));
}

TEST_F(LoadgenTest, EveryRefusalIsCountedAndNoAnswerAtAllIsAFailure) {
  FakeServer server(Refuse(grpc::StatusCode::RESOURCE_EXHAUSTED));
  const Finished run = Load(server, {"--rate=50", "--arrivals=constant"});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.out,
              HasSubstr("  RESOURCE_EXHAUSTED          10  100.00 %\n    the first: no\n"));
}

TEST_F(LoadgenTest, WithRetriesARefusalIsNotTheEnd) {
  std::atomic<int> calls = 0;
  FakeServer server([&](auto&, auto&, auto&) {
    return calls++ % 2 == 0 ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "") : grpc::Status::OK;
  });
  const auto json = JsonOf(server, {"--retries", "--concurrency=1"});
  EXPECT_EQ(json["results"]["OK"], json["requests"]);
}

TEST_F(LoadgenTest, AServerThatIsTooSlowMissesTheDeadline) {
  FakeServer server([](grpc::ServerContext& context, auto&, auto&) {
    Eventually("the call is cancelled", [&] { return context.IsCancelled(); });
    return grpc::Status::OK;
  });
  const auto json = JsonOf(server, {"--deadline=50ms", "--concurrency=1"});
  EXPECT_GT(json["results"]["DEADLINE_EXCEEDED"], 0);
  EXPECT_EQ(json["goodput_per_s"], 0);
}

TEST_F(LoadgenTest, ModelsAreMixed) {
  std::mutex mutex;
  std::set<std::string> models;  // guarded by mutex
  FakeServer server([&](auto&, const v1::ClassifyRequest& request, auto&) {
    std::lock_guard lock(mutex);
    models.insert(request.model());
    return grpc::Status::OK;
  });
  Load(server, {"--models=vit=3,convmixer=1"});
  EXPECT_THAT(models, testing::ElementsAre("convmixer", "vit"));
}

TEST_F(LoadgenTest, JsonGoesToItsFileBesideTheText) {
  FakeServer server;
  const Finished run = Load(server, {"--json=" + folder.path("report.json")});
  EXPECT_THAT(run.out, HasSubstr("throughput"));
  std::ifstream file(folder.path("report.json"));
  EXPECT_TRUE(nlohmann::json::accept(file));
}

TEST_F(LoadgenTest, WrongUsageExitsWith2BeforeAnythingIsSent) {
  FakeServer server;
  for (const char* wrong : {"--concurrency=0", "--rate=0", "--duration=0s", "--warm_up=-1s",
                            "--models=a=0", "--connections=0", "--deadline=0s", "nowhere.jpg"}) {
    EXPECT_EQ(Load(server, {wrong}).exit_code, 2) << wrong;
  }
  EXPECT_EQ(Load(server, {"--concurrency=1", "--rate=1"}).exit_code, 2);
  EXPECT_EQ(Load(server, {"--rate=1", "--arrivals=x"}).exit_code, 2);
  EXPECT_EQ(Load(server, {"--arrivals=constant"}).exit_code, 2);
  EXPECT_EQ(Load(server, {"--json=" + folder.path("none/report.json")}).exit_code, 2);
  EXPECT_EQ(RunProgram({LOADGEN_PROGRAM}).exit_code, 2);
}

}  // namespace
}  // namespace patchserve
