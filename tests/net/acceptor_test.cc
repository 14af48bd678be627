#include "server/net/acceptor.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/eventually.h"
#include "tests/no_descriptors.h"

namespace patchserve {
namespace {

// A port whose connections the test holds.
class AcceptorTest : public ::testing::Test {
 protected:
  void Start(const PortLimits& limits, const std::string& address = "127.0.0.1:0") {
    auto bound = ListenOn(address);
    ASSERT_TRUE(bound.ok()) << bound.status();
    port = bound->port;
    acceptor = std::make_unique<Acceptor>(*std::move(bound), limits,
                                          [this](int fd, const std::string& peer) {
                                            std::lock_guard lock(mutex);
                                            names.push_back(peer);
                                            if (answer) static_cast<void>(!write(fd, "x", 1));
                                            taken.emplace_back(fd);
                                            grew.notify_all();
                                          });
  }

  bool Reaches(const FileDescriptor& client) const {
    const sockaddr_in address{.sin_family = AF_INET,
                              .sin_port = htons(static_cast<uint16_t>(port)),
                              .sin_addr = {htonl(INADDR_LOOPBACK)}};
    return connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }

  FileDescriptor Connect() const {
    FileDescriptor client(socket(AF_INET, SOCK_STREAM, 0));
    EXPECT_TRUE(Reaches(client));
    return client;
  }

  void WaitUntilTaken(size_t count) {
    std::unique_lock lock(mutex);
    grew.wait(lock, [&] { return taken.size() >= count; });
  }

  // Until the other side closes it.
  static void WaitForEnd(const FileDescriptor& client) {
    char byte;
    while (recv(client.get(), &byte, 1, 0) > 0) {
    }
  }

  int port = 0;
  bool answer = false;
  std::mutex mutex;
  std::condition_variable grew;
  std::vector<std::string> names;  // of the clients that are connected
  std::vector<FileDescriptor> taken;
  std::unique_ptr<Acceptor> acceptor;
};

TEST_F(AcceptorTest, ConnectionsAreHandedOverAndCountedUntilTheyAreClosed) {
  Start({.total = 10, .per_peer = 10});
  const FileDescriptor first = Connect(), second = Connect();
  WaitUntilTaken(2);
  EXPECT_EQ(acceptor->counts().open, 2);
  EXPECT_EQ(acceptor->counts().accepted, 2);
  taken.pop_back();
  EXPECT_EQ(acceptor->counts().open, 1);
}

TEST_F(AcceptorTest, OneBeyondTheLimitIsClosedAndCounted) {
  Start({.total = 10, .per_peer = 1});
  const FileDescriptor first = Connect(), second = Connect();
  WaitForEnd(second);
  EXPECT_EQ(acceptor->counts().refused_peer, 1);
  EXPECT_EQ(acceptor->counts().accepted, 1);
}

TEST_F(AcceptorTest, ThoseThatFoundNoDescriptorAreTakenWhenThereAreSomeAgain) {
  Start({.total = 10, .per_peer = 10});
  const FileDescriptor client(socket(AF_INET, SOCK_STREAM, 0));
  {
    const NoDescriptors none;
    EXPECT_TRUE(Reaches(client));
    Eventually("an error of accept", [&] { return acceptor->counts().accept_errors > 0; });
  }
  WaitUntilTaken(1);
}

TEST_F(AcceptorTest, ItsOwnConnectionIsAnsweredThoughThereIsNoRoomAndIsntCounted) {
  answer = true;
  for (const char* address : {"127.0.0.1:0", "0.0.0.0:0", "localhost:0"}) {
    Start({.total = 1, .per_peer = 1}, address);
    const FileDescriptor other = Connect();
    WaitUntilTaken(1);
    EXPECT_TRUE(acceptor->Answers("hello", absl::Seconds(30))) << address;
    EXPECT_EQ(acceptor->counts().accepted, 1);
    acceptor->Stop();
    taken.clear();
  }
}

TEST_F(AcceptorTest, WhoTakesConnectionsAndSaysNothingIsDeaf) {
  Start({.total = 10, .per_peer = 10});
  EXPECT_FALSE(acceptor->Answers("hello", absl::Milliseconds(50)));
}

TEST_F(AcceptorTest, EndAllEndsTheConnectionsAndWhatWasSentArrives) {
  answer = true;
  Start({.total = 10, .per_peer = 10});
  const FileDescriptor client = Connect();
  WaitUntilTaken(1);
  acceptor->EndAll();
  char byte = 0;
  EXPECT_EQ(recv(client.get(), &byte, 1, 0), 1);
  EXPECT_EQ(recv(client.get(), &byte, 1, 0), 0);
  EXPECT_EQ(recv(taken.front().get(), &byte, 1, 0), 0);
}

// Where the client sees itself: its port.
int PortOf(const FileDescriptor& client) {
  sockaddr_storage own{};
  socklen_t size = sizeof own;
  getsockname(client.get(), reinterpret_cast<sockaddr*>(&own), &size);
  return ntohs(reinterpret_cast<const sockaddr_in&>(own).sin_port);  // the same place in IPv6
}

TEST_F(AcceptorTest, AResetEndsTheConnectionOfThePeerOfThatNameAndNoOther) {
  Start({.total = 10, .per_peer = 10});
  const FileDescriptor good = Connect(), bad = Connect();
  WaitUntilTaken(2);
  acceptor->Reset(absl::StrCat("ipv4:127.0.0.1:", PortOf(bad)));
  WaitForEnd(bad);
  char byte;
  EXPECT_EQ(recv(good.get(), &byte, 1, MSG_DONTWAIT), -1);
  EXPECT_EQ(errno, EAGAIN);
}

TEST_F(AcceptorTest, AnIPv6PeerHasTheNameThatGrpcGivesIt) {
  Start({.total = 10, .per_peer = 10}, "[::1]:0");
  const FileDescriptor client(socket(AF_INET6, SOCK_STREAM, 0));
  const sockaddr_in6 address{.sin6_family = AF_INET6,
                             .sin6_port = htons(static_cast<uint16_t>(port)),
                             .sin6_addr = in6addr_loopback};
  ASSERT_EQ(connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  WaitUntilTaken(1);
  const std::string name = absl::StrCat("ipv6:%5B::1%5D:", PortOf(client));
  EXPECT_THAT(names, ::testing::ElementsAre(name));
  acceptor->Reset(name);
  WaitForEnd(client);
}

TEST(IdentifyTest, ALinkLocalPeersNameHasItsInterface) {
  sockaddr_storage peer{};
  auto& address = reinterpret_cast<sockaddr_in6&>(peer);
  address = {.sin6_family = AF_INET6, .sin6_port = htons(50123), .sin6_scope_id = 2};
  ASSERT_EQ(inet_pton(AF_INET6, "fe80::1", &address.sin6_addr), 1);
  EXPECT_EQ(Identify(-1, peer).name, "ipv6:%5Bfe80::1%252%5D:50123");
}

TEST_F(AcceptorTest, NobodyIsConnectedAfterStop) {
  Start({.total = 10, .per_peer = 10});
  acceptor->Stop();
  const FileDescriptor client(socket(AF_INET, SOCK_STREAM, 0));
  EXPECT_FALSE(Reaches(client));
}

}  // namespace
}  // namespace patchserve
