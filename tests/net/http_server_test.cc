#include "server/net/http_server.h"

#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <string>
#include <vector>

#include "server/net/file_descriptor.h"

namespace patchserve {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class HttpServerTest : public ::testing::Test {
 protected:
  static ListeningSockets Bound() {
    auto bound = ListenOn("127.0.0.1:0");
    EXPECT_TRUE(bound.ok()) << bound.status();
    return *std::move(bound);
  }

  FileDescriptor Connect() const {
    FileDescriptor client(socket(AF_INET, SOCK_STREAM, 0));
    const sockaddr_in address{.sin_family = AF_INET,
                              .sin_port = htons(static_cast<uint16_t>(server.port())),
                              .sin_addr = {htonl(INADDR_LOOPBACK)}};
    // Refused ones may be reset at once.
    static_cast<void>(
        !connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
    return client;
  }

  // All that comes until the connection is closed.
  std::string Ask(const std::string& request) const {
    const FileDescriptor client = Connect();
    send(client.get(), request.data(), request.size(), MSG_NOSIGNAL);
    std::string answer;
    char chunk[4096];
    for (ssize_t got; (got = recv(client.get(), chunk, sizeof chunk, 0)) > 0;) {
      answer.append(chunk, got);
    }
    return answer;
  }

  HttpServer server{Bound(), {{"/page", {"text/plain", [] { return "the page"; }}}}};
};

TEST_F(HttpServerTest, GetAnswersThePage) {
  const std::string answer = Ask("GET /page HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(answer, HasSubstr("Content-Type: text/plain\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\nthe page"));
}

TEST_F(HttpServerTest, HeadAnswersTheSameWithoutIt) {
  const std::string answer = Ask("HEAD /page HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(answer, HasSubstr("Content-Length: 8\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\n"));
}

TEST_F(HttpServerTest, OtherPathsAndMethodsAreErrors) {
  EXPECT_THAT(Ask("GET / HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(Ask("POST /page HTTP/1.1\r\nContent-Length: 1000000000\r\n\r\n"),
              StartsWith("HTTP/1.1 405 "));
}

TEST_F(HttpServerTest, AHeadThatDoesntEndIsntReadOn) {
  EXPECT_THAT(Ask("GET /page HTTP/1.1\r\nX: " + std::string(1'000'000, 'x')),
              Not(HasSubstr("the page")));
  std::string many = "GET /page HTTP/1.1\r\n";
  for (int i = 0; i < 10'000; ++i) many += "X: x\r\n";
  EXPECT_THAT(Ask(many + "\r\n"), Not(HasSubstr("the page")));
}

TEST_F(HttpServerTest, ManyRangesOfAPageAreOnePage) {
  EXPECT_THAT(Ask("GET /page HTTP/1.1\r\nRange: bytes=0-1,0-2,0-3,0-4\r\n\r\n"),
              EndsWith("\r\n\r\nthe page"));
}

TEST_F(HttpServerTest, SilentConnectionsDontKeepOthersFromThePage) {
  std::vector<FileDescriptor> silent;
  for (int i = 0; i < 60; ++i) silent.push_back(Connect());
  EXPECT_THAT(Ask("GET /page HTTP/1.1\r\n\r\n"), EndsWith("the page"));
}

TEST_F(HttpServerTest, ASilentConnectionMakesRoomWhenAllPlacesAreTaken) {
  std::vector<FileDescriptor> silent;
  for (int i = 0; i < 64; ++i) silent.push_back(Connect());
  std::string answer;
  while (answer.empty()) answer = Ask("GET /page HTTP/1.1\r\n\r\n");  // refused for a second
  EXPECT_THAT(answer, EndsWith("the page"));
}

}  // namespace
}  // namespace patchserve
