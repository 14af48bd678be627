#include "server/listen.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "patchserve/v1/classification.grpc.pb.h"
#include "server/net/file_descriptor.h"
#include "server/net/greeting.h"
#include "tests/system/http2_frames.h"

namespace patchserve {
namespace {

// Streams that live on until End, whatever becomes of their connections.
class HeldStreams final : public v1::ImageClassification::CallbackService {
  class Stream final
      : public grpc::ServerBidiReactor<v1::ClassifyStreamRequest, v1::ClassifyStreamResponse> {
    void OnDone() override { delete this; }
  };

 public:
  grpc::ServerBidiReactor<v1::ClassifyStreamRequest, v1::ClassifyStreamResponse>* ClassifyStream(
      grpc::CallbackServerContext* /*context*/) override {
    std::lock_guard lock(mutex_);
    auto* const stream = new Stream;
    if (ended_) {
      stream->Finish(grpc::Status::OK);
    } else {
      held_.push_back(stream);
    }
    return stream;
  }

  void End() {
    std::lock_guard lock(mutex_);
    ended_ = true;
    for (Stream* stream : held_) stream->Finish(grpc::Status::OK);
  }

 private:
  std::mutex mutex_;
  bool ended_ = false;
  std::vector<Stream*> held_;
};

sockaddr_in Loopback(int port) {
  return {.sin_family = AF_INET,
          .sin_port = htons(static_cast<uint16_t>(port)),
          .sin_addr = {htonl(INADDR_LOOPBACK)}};
}

// Opens so many calls from a port, 0: any, and waits until the connection ends. Returns the port.
int OpenCallsFrom(int own_port, int server_port, int calls) {
  const FileDescriptor client(socket(AF_INET, SOCK_STREAM, 0));
  const int on = 1;
  const timeval in_vain{.tv_sec = 120};
  setsockopt(client.get(), SOL_SOCKET, SO_RCVTIMEO, &in_vain, sizeof in_vain);
  setsockopt(client.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in own = Loopback(own_port), server = Loopback(server_port);
  socklen_t size = sizeof own;
  EXPECT_EQ(bind(client.get(), reinterpret_cast<sockaddr*>(&own), size), 0);
  getsockname(client.get(), reinterpret_cast<sockaddr*>(&own), &size);
  EXPECT_EQ(connect(client.get(), reinterpret_cast<sockaddr*>(&server), size), 0);
  const std::string headers = CallHeaders("/patchserve.v1.ImageClassification/ClassifyStream");
  std::string frames = Http2Greeting();
  for (int i = 0; i < calls; ++i) frames += Frame(1, 4, 1 + 2 * i, headers);
  EXPECT_EQ(send(client.get(), frames.data(), frames.size(), MSG_NOSIGNAL), frames.size());
  char answer[1024];
  while (recv(client.get(), answer, sizeof answer, 0) > 0) {
  }
  return ntohs(own.sin_port);
}

TEST(ListenTest, AClientThatWasCutOffIsCutOffAgainThoughItsCallsLiveOn) {
  constexpr int64_t kMiB = 1 << 20;
  const Config config{.address = "127.0.0.1:0",
                      .transport = {.max_streams = 1,
                                    .max_metadata_bytes = 8192,
                                    .max_connection_idle = absl::InfiniteDuration(),
                                    .max_connection_age = absl::InfiniteDuration(),
                                    .connection_age_grace = absl::InfiniteDuration(),
                                    .max_grpc_memory = 64 * kMiB}};
  const std::unique_ptr<Metrics> metrics = Metrics::Create("");
  HeldStreams streams;
  HealthService health;
  OtherMethods others;
  const auto ports = Listen(config, {&streams}, health, others, nullptr, 1024, *metrics);
  ASSERT_TRUE(ports.ok()) << ports.status();
  const int client_port = OpenCallsFrom(0, ports->port, 3);
  OpenCallsFrom(client_port, ports->port, 3);
  EXPECT_THAT(
      metrics->Scrape(),
      testing::HasSubstr("patchserve_connections_ended_total{port=\"grpc\",reason=\"calls\"} 2\n"));
  streams.End();
  ports->acceptor->EndAll();
  ports->server->Shutdown();
}

}  // namespace
}  // namespace patchserve
