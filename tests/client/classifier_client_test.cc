#include "client/classifier_client.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>

#include "tests/client/fake_server.h"

namespace patchserve {
namespace {

// Refuses `refusals` calls with `code` and `pushback`, then answers.
FakeServer::Answer RefuseFirst(std::atomic<int>& calls, int refusals, grpc::StatusCode code,
                               const std::string& pushback = "1") {
  return [=, &calls](grpc::ServerContext& context, const v1::ClassifyRequest& request,
                     v1::ClassifyResponse& response) {
    if (calls++ < refusals) {
      if (!pushback.empty()) context.AddTrailingMetadata("grpc-retry-pushback-ms", pushback);
      return grpc::Status(code, "later");
    }
    return FakeServer::PictureOfItsBytes(context, request, response);
  };
}

TEST(ClassifierClientTest, TheRequestCarriesImageModelAndTopK) {
  v1::ClassifyRequest seen;
  FakeServer server([&](auto&, const v1::ClassifyRequest& request, auto&) {
    seen = request;
    return grpc::Status::OK;
  });
  const ClassifierClient client(Connect(server.address()));
  ASSERT_TRUE(client.Classify("photo", {.model = "vit", .top_k = 3}).ok());
  EXPECT_EQ(seen.encoded(), "photo");
  EXPECT_EQ(seen.model(), "vit");
  EXPECT_EQ(seen.top_k(), 3);
}

TEST(ClassifierClientTest, WithoutTopKTheServerChooses) {
  std::atomic<bool> has_top_k = true;
  FakeServer server([&](auto&, const v1::ClassifyRequest& request, auto&) {
    has_top_k = request.has_top_k();
    return grpc::Status::OK;
  });
  ASSERT_TRUE(ClassifierClient(Connect(server.address())).Classify("photo", {}).ok());
  EXPECT_FALSE(has_top_k);
}

TEST(ClassifierClientTest, TheServersErrorComesUnchanged) {
  FakeServer server([](auto&, auto&, auto&) {
    return grpc::Status(grpc::StatusCode::NOT_FOUND, "no model 'x'");
  });
  const auto answer = ClassifierClient(Connect(server.address())).Classify("photo", {});
  EXPECT_EQ(answer.status(), absl::NotFoundError("no model 'x'"));
}

TEST(ClassifierClientTest, ACallThatTheServerCancelsIsTriedAgainAsOneThatItRefuses) {
  std::atomic<int> calls = 0;
  FakeServer server(RefuseFirst(calls, 2, grpc::StatusCode::CANCELLED, /*pushback=*/""));
  const ClassifierClient client(Connect(server.address()));
  EXPECT_TRUE(client.Classify("photo", {}).ok());
  EXPECT_EQ(calls, 3);
}

TEST(ClassifierClientTest, WithoutRetriesACallThatTheServerCancelsIsUnavailable) {
  std::atomic<int> calls = 0;
  FakeServer server(RefuseFirst(calls, 1, grpc::StatusCode::CANCELLED, /*pushback=*/""));
  const ClassifierClient client(Connect(server.address()), {.retry = false});
  EXPECT_EQ(client.Classify("photo", {}).status(), absl::UnavailableError("later"));
}

TEST(ClassifierClientTest, AnAsynchronousCallHandsItsAnswerToItsCallback) {
  FakeServer server;
  ClassifierClient::Answer got = absl::UnknownError("not called");
  std::latch called(1);
  const ClassifierClient client(Connect(server.address()));
  client.ClassifyAsync("photo", {}, [&](ClassifierClient::Answer answer) {
    got = std::move(answer);
    called.count_down();
  });
  called.wait();
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->predictions(0).label(), "photo");
}

TEST(ClassifierClientTest, CallsTakeTurnsOnTheAddressesOfAName) {
  std::atomic<int> calls[2] = {0, 0};
  auto count = [](std::atomic<int>& calls) {
    return [&calls](auto&, auto&, auto&) {
      ++calls;
      return grpc::Status::OK;
    };
  };
  FakeServer one(count(calls[0])), other(count(calls[1]));
  const ClassifierClient client(Connect("ipv4:" + one.address() + "," + other.address()));
  while (calls[0] == 0 || calls[1] == 0) ASSERT_TRUE(client.Classify("photo", {}).ok());
}

TEST(RetryTest, AServerThatIsUnavailableForAMomentIsAskedAgain) {
  std::atomic<int> calls = 0;
  FakeServer server(RefuseFirst(calls, 2, grpc::StatusCode::UNAVAILABLE));
  const auto answer = ClassifierClient(Connect(server.address())).Classify("photo", {});
  EXPECT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(calls, 3);
}

TEST(RetryTest, ATryThatIsNotTheFirstSaysSo) {
  std::atomic<int> first = 0, second = 0;
  std::string header = "patchserve-previous-attempts";
  FakeServer server([&](grpc::ServerContext& context, auto&, auto&) {
    const auto attempts = context.client_metadata().find(header);
    const bool is_first = attempts == context.client_metadata().end();
    ++(is_first ? first : second);
    if (is_first) return grpc::Status(grpc::StatusCode::UNAVAILABLE, "later");
    EXPECT_EQ(attempts->second, "1");
    return grpc::Status::OK;
  });
  EXPECT_TRUE(ClassifierClient(Connect(server.address())).Classify("photo", {}).ok());
  EXPECT_EQ(first, 1);
  EXPECT_EQ(second, 1);
  header = "grpc-previous-rpc-attempts";
  const ClassifierClient by_grpc(Connect(server.address(), {.grpc_retries = true}),
                                 {.retry = false});
  EXPECT_TRUE(by_grpc.Classify("photo", {}).ok());
  EXPECT_EQ(first, 2);
  EXPECT_EQ(second, 2);
}

TEST(RetryTest, ALargePhotoIsSentAgainToo) {
  std::atomic<int> calls = 0;
  FakeServer server([&](auto&, auto&, auto&) {
    return calls++ == 0 ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "later") : grpc::Status::OK;
  });
  const std::string photo(8 << 20, 'x');
  const auto answer = ClassifierClient(Connect(server.address())).Classify(photo, {});
  EXPECT_EQ(answer.status(), absl::OkStatus());
  EXPECT_EQ(calls, 2);
}

TEST(RetryTest, TriesGoOnAfterTheFifth) {
  std::atomic<int> calls = 0;
  FakeServer server(RefuseFirst(calls, 6, grpc::StatusCode::RESOURCE_EXHAUSTED));
  const auto answer = ClassifierClient(Connect(server.address())).Classify("photo", {});
  EXPECT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(calls, 7);
}

TEST(RetryTest, NoTryIsMadeThatTheServerSaysIsNoUse) {
  for (const char* pushback : {"-1", "nonsense", ""}) {
    std::atomic<int> calls = 0;
    FakeServer server(RefuseFirst(calls, 1, grpc::StatusCode::RESOURCE_EXHAUSTED, pushback));
    const auto answer = ClassifierClient(Connect(server.address())).Classify("photo", {});
    EXPECT_EQ(answer.status(), absl::ResourceExhaustedError("later"));
    EXPECT_EQ(calls, 1) << pushback;
  }
}

TEST(RetryTest, WhenTheNextTryWouldBeLateTheRefusalIsTheAnswerAtOnce) {
  std::atomic<int> calls = 0;
  FakeServer server(RefuseFirst(calls, 1, grpc::StatusCode::RESOURCE_EXHAUSTED, "3600000"));
  const auto answer =
      ClassifierClient(Connect(server.address())).Classify("photo", {.deadline = absl::Minutes(1)});
  EXPECT_EQ(answer.status(), absl::ResourceExhaustedError("later"));
}

TEST(RetryTest, WithoutAnyARefusalIsTheAnswer) {
  std::atomic<int> calls = 0;
  FakeServer server(RefuseFirst(calls, 1, grpc::StatusCode::UNAVAILABLE));
  const ClassifierClient client(Connect(server.address()), {.retry = false});
  EXPECT_EQ(client.Classify("photo", {}).status(), absl::UnavailableError("later"));
  EXPECT_EQ(calls, 1);
}

TEST(RetryTest, ByTheServiceConfigThereAreFiveTries) {
  std::atomic<int> calls = 0;
  FakeServer server(RefuseFirst(calls, 100, grpc::StatusCode::RESOURCE_EXHAUSTED));
  const ClassifierClient client(Connect(server.address(), {.grpc_retries = true}),
                                {.retry = false});
  EXPECT_EQ(client.Classify("photo", {}).status(), absl::ResourceExhaustedError("later"));
  EXPECT_EQ(calls, 5);
}

TEST(RetryTest, AMistakeOfTheCallersIsNotRepeated) {
  std::atomic<int> calls = 0;
  FakeServer server(RefuseFirst(calls, 1, grpc::StatusCode::INVALID_ARGUMENT));
  EXPECT_FALSE(ClassifierClient(Connect(server.address())).Classify("photo", {}).ok());
  EXPECT_EQ(calls, 1);
}

TEST(DeadlineTest, ACallThatIsNotAnsweredInTimeIsDeadlineExceeded) {
  std::latch client_gave_up(1);
  FakeServer server([&](auto&, auto&, auto&) {
    client_gave_up.wait();
    return grpc::Status::OK;
  });
  const auto answer = ClassifierClient(Connect(server.address()))
                          .Classify("photo", {.deadline = absl::Milliseconds(50)});
  client_gave_up.count_down();
  EXPECT_EQ(answer.status(), absl::DeadlineExceededError("no answer within 50ms"));
}

TEST(DeadlineTest, AnInfiniteDeadlineIsNone) {
  FakeServer server;
  const auto answer = ClassifierClient(Connect(server.address()))
                          .Classify("photo", {.deadline = absl::InfiniteDuration()});
  EXPECT_EQ(answer.status(), absl::OkStatus());
}

}  // namespace
}  // namespace patchserve
