#include "client/stream_classifier.h"

#include <gmock/gmock.h>

#include <atomic>
#include <future>
#include <latch>

#include "server/base/proto_duration.h"
#include "tests/client/fake_server.h"

namespace patchserve {
namespace {

using Answer = ClassifierClient::Answer;

std::future<Answer> Classify(StreamClassifier& stream, const std::string& image,
                             const ClassifyOptions& options = {}) {
  std::promise<Answer> promise;
  std::future<Answer> answer = promise.get_future();
  stream.ClassifyAsync(image, options, [promise = std::move(promise)](Answer answer) mutable {
    promise.set_value(std::move(answer));
  });
  return answer;
}

std::string Label(const Answer& answer) {
  return answer.ok() ? answer->predictions(0).label() : answer.status().ToString();
}

grpc::Status Full(std::optional<absl::Duration> retry_after) {
  std::string details;
  if (retry_after) {
    details = ToProto(*retry_after).SerializeAsString();
  }
  return grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "full", details);
}

TEST(StreamClassifierTest, EachRequestGetsItsOwnAnswerWhateverTheirOrder) {
  std::latch others_are_answered(1);
  FakeServer server([&](grpc::ServerContext& context, const v1::ClassifyRequest& request,
                        v1::ClassifyResponse& response) {
    if (request.encoded() == "a") others_are_answered.wait();
    return FakeServer::PictureOfItsBytes(context, request, response);
  });
  StreamClassifier stream(Connect(server.address()));
  auto a = Classify(stream, "a"), b = Classify(stream, "b");
  EXPECT_EQ(Label(b.get()), "b");
  others_are_answered.count_down();
  EXPECT_EQ(Label(a.get()), "a");
}

TEST(StreamClassifierTest, ModelTopKAndTimeoutReachTheServer) {
  v1::ClassifyStreamRequest seen;
  FakeServer server(FakeServer::PictureOfItsBytes, [&](const v1::ClassifyStreamRequest& message) {
    seen = message;
    return std::nullopt;
  });
  StreamClassifier stream(Connect(server.address()));
  Classify(stream, "a", {.model = "vit", .top_k = 3, .deadline = absl::Seconds(100)}).wait();
  EXPECT_EQ(seen.request().model(), "vit");
  EXPECT_EQ(seen.request().top_k(), 3);
  EXPECT_EQ(seen.timeout().seconds(), 99);
}

TEST(StreamClassifierTest, RequestsOfAStreamThatTheServerCancelsAreSentOnANewOne) {
  std::atomic<bool> first = true;
  FakeServer server(FakeServer::PictureOfItsBytes,
                    [&](const v1::ClassifyStreamRequest&) -> std::optional<grpc::Status> {
                      if (first.exchange(false)) return grpc::Status::CANCELLED;
                      return std::nullopt;
                    });
  StreamClassifier stream(Connect(server.address()));
  EXPECT_EQ(Label(Classify(stream, "a").get()), "a");
}

TEST(StreamClassifierTest, ABadImageFailsAloneWithTheServersError) {
  FakeServer server([](grpc::ServerContext& context, const v1::ClassifyRequest& request,
                       v1::ClassifyResponse& response) {
    if (request.encoded() == "bad") {
      return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "not an image");
    }
    return FakeServer::PictureOfItsBytes(context, request, response);
  });
  StreamClassifier stream(Connect(server.address()));
  auto bad = Classify(stream, "bad"), good = Classify(stream, "good");
  EXPECT_EQ(bad.get().status(), absl::InvalidArgumentError("not an image"));
  EXPECT_EQ(Label(good.get()), "good");
}

TEST(StreamClassifierTest, MoreThanTheMostUnansweredIsRefusedAtOnce) {
  std::latch refused(1);
  FakeServer server([&](auto&, auto&, auto&) { return refused.wait(), grpc::Status::OK; });
  StreamClassifier stream(Connect(server.address()), {.max_unanswered = 2});
  auto a = Classify(stream, "a"), b = Classify(stream, "b");
  const Answer c = Classify(stream, "c").get();
  refused.count_down();
  EXPECT_EQ(c.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(a.get().ok() && b.get().ok());
}

TEST(StreamClassifierTest, AnAnswerMakesRoomBeforeItIsHandedOver) {
  FakeServer server;
  StreamClassifier stream(Connect(server.address()), {.max_unanswered = 1});
  std::promise<Answer> second;
  stream.ClassifyAsync("a", {}, [&](Answer) {
    stream.ClassifyAsync("b", {}, [&](Answer answer) { second.set_value(std::move(answer)); });
  });
  EXPECT_EQ(Label(second.get_future().get()), "b");
}

TEST(StreamClassifierTest, ARequestThatAStuckServerHoldsIsDeadlineExceeded) {
  std::latch client_gave_up(1);
  FakeServer server([&](auto&, auto&, auto&) { return client_gave_up.wait(), grpc::Status::OK; });
  StreamClassifier stream(Connect(server.address()));
  const Answer answer = Classify(stream, "a", {.deadline = absl::Milliseconds(50)}).get();
  client_gave_up.count_down();
  EXPECT_EQ(answer.status(), absl::DeadlineExceededError("no answer within 50ms"));
}

TEST(StreamClassifierTest, TheEndOfTheStreamIsTheAnswerToEveryUnansweredRequest) {
  std::latch ended(1);
  FakeServer server([&](auto&, auto&, auto&) { return ended.wait(), grpc::Status::OK; },
                    [&](const v1::ClassifyStreamRequest& message) -> std::optional<grpc::Status> {
                      if (message.request().encoded() != "last") return std::nullopt;
                      ended.count_down();
                      return grpc::Status(grpc::StatusCode::UNAVAILABLE, "shutting down");
                    });
  StreamClassifier stream(Connect(server.address()), {.retry = false});
  auto first = Classify(stream, "first"), last = Classify(stream, "last");
  EXPECT_EQ(first.get().status(), absl::UnavailableError("shutting down"));
  EXPECT_EQ(last.get().status(), absl::UnavailableError("shutting down"));
}

TEST(StreamClassifierTest, AfterTheEndOfAStreamTheNextRequestOpensAnother) {
  std::atomic<int> messages = 0;
  FakeServer server(FakeServer::PictureOfItsBytes,
                    [&](const v1::ClassifyStreamRequest&) -> std::optional<grpc::Status> {
                      if (messages++ > 0) return std::nullopt;
                      return grpc::Status(grpc::StatusCode::INTERNAL, "broken");
                    });
  StreamClassifier stream(Connect(server.address()));
  EXPECT_EQ(Classify(stream, "a").get().status(), absl::InternalError("broken"));
  EXPECT_EQ(Label(Classify(stream, "b").get()), "b");
}

TEST(StreamClassifierTest, ARefusalAndAnEndUnavailableAreTriedAgain) {
  std::atomic<int> messages = 0, answers = 0;
  FakeServer server(
      [&](grpc::ServerContext& context, const v1::ClassifyRequest& request,
          v1::ClassifyResponse& response) {
        if (answers++ == 0) return Full(absl::Milliseconds(1));
        return FakeServer::PictureOfItsBytes(context, request, response);
      },
      [&](const v1::ClassifyStreamRequest&) -> std::optional<grpc::Status> {
        if (messages++ > 0) return std::nullopt;
        return grpc::Status(grpc::StatusCode::UNAVAILABLE, "shutting down");
      });
  StreamClassifier stream(Connect(server.address()));
  EXPECT_EQ(Label(Classify(stream, "a").get()), "a");
  EXPECT_EQ(messages, 3);
}

TEST(StreamClassifierTest, ARefusalThatNamesNoTimeIsTheAnswer) {
  std::atomic<int> messages = 0;
  FakeServer server([&](auto&, auto&, auto&) { return ++messages, Full(std::nullopt); });
  StreamClassifier stream(Connect(server.address()));
  EXPECT_EQ(Classify(stream, "a").get().status(), absl::ResourceExhaustedError("full"));
  EXPECT_EQ(messages, 1);
}

TEST(StreamClassifierTest, ATimeAfterTheDeadlineIsNotWaitedFor) {
  FakeServer server([&](auto&, auto&, auto&) { return Full(absl::Hours(1)); });
  StreamClassifier stream(Connect(server.address()));
  EXPECT_EQ(Classify(stream, "a", {.deadline = absl::Minutes(1)}).get().status(),
            absl::ResourceExhaustedError("full"));
}

TEST(StreamClassifierTest, WithoutAServerARequestIsUnavailable) {
  StreamClassifier stream(Connect("127.0.0.1:1"), {.retry = false});
  EXPECT_EQ(Classify(stream, "a").get().status().code(), absl::StatusCode::kUnavailable);
}

TEST(StreamClassifierTest, ClosingCancelsWhatIsUnanswered) {
  std::latch closed(1), asked(1);
  FakeServer server([&](auto&, auto&, auto&) {
    asked.count_down();
    return closed.wait(), grpc::Status::OK;
  });
  auto stream = std::make_unique<StreamClassifier>(Connect(server.address()));
  auto answer = Classify(*stream, "a");
  asked.wait();
  stream = nullptr;
  closed.count_down();
  EXPECT_EQ(answer.get().status().code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace patchserve
