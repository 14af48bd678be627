// Crowds of connections, of which most are no use: the server is there for those that are.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/net/descriptor_limit.h"
#include "server/net/file_descriptor.h"
#include "server/net/greeting.h"
#include "tests/eventually.h"
#include "tests/rpc/certificates.h"
#include "tests/system/http2_frames.h"
#include "tests/system/http_get.h"
#include "tests/system/server_fixture.h"
#include "tests/temporary_folder.h"

namespace patchserve {
namespace {

using ::testing::HasSubstr;

const std::string kModel = "--models=" + kTestModels + "/vit";

std::vector<std::string> Limited(const std::string& ulimit) {
  return {"/bin/sh", "-c", "ulimit " + ulimit + "; exec \"$0\" \"$@\""};
}

// Connected, if the port takes it, to "127.0.0.1:PORT".
FileDescriptor Connect(const std::string& address) {
  int port = 0;
  EXPECT_TRUE(absl::SimpleAtoi(address.substr(address.rfind(':') + 1), &port));
  const sockaddr_in target{.sin_family = AF_INET,
                           .sin_port = htons(static_cast<uint16_t>(port)),
                           .sin_addr = {htonl(INADDR_LOOPBACK)}};
  FileDescriptor client(socket(AF_INET, SOCK_STREAM, 0));
  // Refused ones may be reset at once.
  static_cast<void>(
      !connect(client.get(), reinterpret_cast<const sockaddr*>(&target), sizeof target));
  return client;
}

std::vector<FileDescriptor> Crowd(const std::string& address, int size) {
  RaiseDescriptorLimit();
  std::vector<FileDescriptor> crowd;
  for (int i = 0; i < size; ++i) crowd.push_back(Connect(address));
  return crowd;
}

// As a client that has just been started: over a connection of its own, tried again until it's
// there.
grpc::Status ClassifyAnew(const std::string& address,
                          const std::shared_ptr<grpc::ChannelCredentials>& credentials =
                              grpc::InsecureChannelCredentials()) {
  grpc::ChannelArguments own;
  own.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  grpc::ClientContext context;
  context.set_wait_for_ready(true);
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(60)));
  v1::ClassifyResponse response;
  return v1::ImageClassification::NewStub(grpc::CreateCustomChannel(address, credentials, own))
      ->Classify(&context, EncodedRequest(TestImage("chelsea.jpg")), &response);
}

// Until a metric has this value: connections are taken, and closed, in the server's own time.
void WaitForMetric(ServerProcess& process, const std::string& line) {
  Eventually(line, [&] {
    return absl::StrContains(HttpGet(process.metrics_address(), "/metrics"), line + "\n");
  });
}

TEST(ConnectionsSystemTest, ElevenHundredAreServedWhereTheSoftLimitIs1024) {
  ServingProcess server({kModel}, Limited("-Sn 1024"));
  ASSERT_TRUE(server.serving) << server.process.log();
  EXPECT_THAT(server.process.log(), HasSubstr("raised from 1024"));
  const auto crowd = Crowd(server.process.address(), 1100);
  EXPECT_TRUE(ClassifyAnew(server.process.address()).ok());
  WaitForMetric(server.process,
                "patchserve_connections_refused_total{port=\"grpc\",reason=\"peer\"} 0");
}

TEST(ConnectionsSystemTest, AServerThatRanOutOfDescriptorsServesWhenTheCrowdHasGone) {
  ServingProcess server({kModel, "--max_connections=1000", "--health_address=127.0.0.1:0"},
                        Limited("-n 64"));
  ASSERT_TRUE(server.serving) << server.process.log();
  for (int round = 0; round < 2; ++round) {
    auto crowd = Crowd(server.process.address(), 100);
    crowd.clear();
    EXPECT_TRUE(ClassifyAnew(server.process.address()).ok());
  }
  EXPECT_EQ(server.Health("liveness"), "SERVING");
}

TEST(ConnectionsSystemTest, SilentConnectionsMakeRoomForOneThatIsUsed) {
  ServingProcess server({kModel, "--max_connections_per_peer=4"});
  ASSERT_TRUE(server.serving) << server.process.log();
  const auto crowd = Crowd(server.process.address(), 8);
  EXPECT_TRUE(ClassifyAnew(server.process.address()).ok());
  EXPECT_THAT(
      HttpGet(server.process.metrics_address(), "/metrics"),
      Not(HasSubstr("patchserve_connections_ended_total{port=\"grpc\",reason=\"silent\"} 0\n")));
}

TEST(ConnectionsSystemTest, AStormOfReconnectsIsCountedAndServedAfter) {
  ServingProcess server({kModel});
  ASSERT_TRUE(server.serving) << server.process.log();
  for (int i = 0; i < 2000; ++i) Connect(server.process.address());
  EXPECT_TRUE(ClassifyAnew(server.process.address()).ok());
  WaitForMetric(server.process, "patchserve_connections_accepted_total{port=\"grpc\"} 2001");
}

TEST(ConnectionsSystemTest, AClientThatResetsItsCallsAtOnceIsCutOffAndOthersAreServed) {
  ServingProcess server({kModel});
  ASSERT_TRUE(server.serving) << server.process.log();
  const std::string headers = CallHeaders("/patchserve.v1.ImageClassification/Classify");
  const FileDescriptor client = Connect(server.process.address());
  std::string frames = Http2Greeting();
  uint32_t stream = 1;
  // Until the connection is reset.
  while (std::cmp_equal(send(client.get(), frames.data(), frames.size(), MSG_NOSIGNAL),
                        frames.size())) {
    frames.clear();
    for (int i = 0; i < 100; ++i, stream += 2) {
      frames += Frame(1, 4, stream, headers) + Frame(3, 0, stream, std::string("\0\0\0\x8", 4));
    }
  }
  EXPECT_TRUE(ClassifyAnew(server.process.address()).ok());
  // Or for too many open calls, where they come faster than the server hears of their ends.
  const std::string ended = "patchserve_connections_ended_total{port=\"grpc\",reason=";
  EXPECT_THAT(
      HttpGet(server.process.metrics_address(), "/metrics"),
      Not(AllOf(HasSubstr(ended + "\"resets\"} 0\n"), HasSubstr(ended + "\"calls\"} 0\n"))));
}

TEST(ConnectionsSystemTest, SlowHandshakesDontKeepOthersFromTheirs) {
  const TemporaryFolder folder;
  const TestCa ca;
  const CertificateAndKey own = ca.Issue();
  ServerProcess server({kModel, "--tls_cert=" + folder.Write("crt", own.certificate),
                        "--tls_key=" + folder.Write("key", own.key)});
  ASSERT_TRUE(server.WaitUntilServing()) << server.log();
  const auto crowd = Crowd(server.address(), 100);
  const std::string half = TlsGreeting().substr(0, 60);
  for (const FileDescriptor& client : crowd) {
    EXPECT_EQ(send(client.get(), half.data(), half.size(), MSG_NOSIGNAL), half.size());
  }
  EXPECT_TRUE(ClassifyAnew(server.address(), grpc::SslCredentials({ca.pem(), "", ""})).ok());
}

TEST(ConnectionsSystemTest, APortThatCantBeServedSaysWhy) {
  ServingProcess server({kModel});
  ASSERT_TRUE(server.serving) << server.process.log();
  ServerProcess second({kModel, "--address=" + server.process.address()});
  EXPECT_EQ(second.WaitForExit(), 1);
  EXPECT_TRUE(second.WaitForLog("the port is in use"));
  ServerProcess elsewhere({kModel, "--address=192.0.2.1:0"});
  EXPECT_EQ(elsewhere.WaitForExit(), 1);
  EXPECT_TRUE(elsewhere.WaitForLog("this machine has no such address"));
}

}  // namespace
}  // namespace patchserve
