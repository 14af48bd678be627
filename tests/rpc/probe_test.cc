#include "server/probe.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <sys/socket.h>

#include "server/net/listening_sockets.h"
#include "server/rpc/health_service.h"
#include "tests/no_descriptors.h"

namespace patchserve {
namespace {

using ::testing::HasSubstr;

class ProbeTest : public ::testing::Test {
 protected:
  ProbeTest() {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&health);
    server = builder.BuildAndStart();
    address = "127.0.0.1:" + std::to_string(port);
  }

  HealthService health;
  std::unique_ptr<grpc::Server> server;
  std::string address;
};

TEST_F(ProbeTest, TellsWhetherANameIsServed) {
  health.Set("", true);
  health.Set("vit", false);
  EXPECT_EQ(Probe(address, ""), "");
  EXPECT_EQ(Probe(address, "vit"), "NOT_SERVING");
  health.Set("vit", true);
  EXPECT_EQ(Probe(address, "vit"), "");
  EXPECT_THAT(Probe(address, "nobody"), HasSubstr("knows nothing"));
}

TEST_F(ProbeTest, TheHostMayBeAName) {
  health.Set("", true);
  EXPECT_EQ(Probe("localhost" + address.substr(address.rfind(':')), ""), "");
}

TEST_F(ProbeTest, AServerThatIsGoneIsRefusedByTheMachine) {
  server->Shutdown();
  server = nullptr;
  EXPECT_THAT(Probe(address, ""), HasSubstr("refused"));
}

TEST(ProbeWithoutServerTest, WhoTakesTheConnectionAndSaysNothingIsWaitedForTwoSeconds) {
  const absl::StatusOr<ListeningSockets> sockets = ListenOn("127.0.0.1:0");
  ASSERT_TRUE(sockets.ok());
  EXPECT_EQ(Probe("127.0.0.1:" + std::to_string(sockets->port), ""), "no answer within 2 s");
}

TEST(ProbeWithoutServerTest, WhereThereIsNoSocketItSaysWhy) {
  const NoDescriptors none;
  EXPECT_EQ(Probe("127.0.0.1:8001", ""), "Too many open files");
}

TEST(ProbeWithoutServerTest, WrongAddressesAreNamed) {
  EXPECT_EQ(Probe("127.0.0.1", ""), "not HOST:PORT");
  EXPECT_THAT(Probe("nowhere.invalid:8001", ""), HasSubstr("not known"));
  EXPECT_THAT(Probe("127.0.0.1:8001", std::string(101, 'x')), HasSubstr("100 characters"));
}

}  // namespace
}  // namespace patchserve
