#include "server/rpc/classify_stream.h"

#include <map>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/rpc/service_fixture.h"

namespace patchserve {
namespace {

using Stream = grpc::ClientReaderWriter<v1::ClassifyStreamRequest, v1::ClassifyStreamResponse>;

class ClassifyStreamTest : public ServiceTest {
 protected:
  std::unique_ptr<Stream> Open() { return stub->ClassifyStream(&context); }

  static v1::ClassifyStreamRequest Message(const std::string& id) {
    v1::ClassifyStreamRequest message;
    *message.mutable_request() = ColourRequest(9, 1, 2);
    message.mutable_request()->set_id(id);
    return message;
  }

  // Reads to the end of the stream; by id.
  static std::map<std::string, v1::ClassifyStreamResponse> ReadAll(Stream& stream) {
    std::map<std::string, v1::ClassifyStreamResponse> responses;
    for (v1::ClassifyStreamResponse response; stream.Read(&response);) {
      EXPECT_TRUE(responses.emplace(response.id(), response).second) << "answered twice";
    }
    return responses;
  }

  grpc::ClientContext context;
};

TEST_F(ClassifyStreamTest, EveryMessageIsAnsweredUnderItsId) {
  auto stream = Open();
  std::thread writer([&] {  // more than the window: flow control must not block for ever
    for (int i = 0; i < 50; ++i) EXPECT_TRUE(stream->Write(Message(absl::StrCat(i))));
    stream->WritesDone();
  });
  const auto responses = ReadAll(*stream);
  writer.join();
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(responses.size(), 50);
  EXPECT_EQ(responses.at("17").response().predictions(0).label(), "red");
}

TEST_F(ClassifyStreamTest, ABadImageInTheMiddleFailsAlone) {
  auto stream = Open();
  v1::ClassifyStreamRequest bad = Message("bad");
  bad.mutable_request()->set_encoded("not an image");
  stream->Write(Message("first"));
  stream->Write(bad);
  stream->Write(Message("last"));
  stream->WritesDone();
  const auto responses = ReadAll(*stream);
  EXPECT_TRUE(stream->Finish().ok());
  ASSERT_EQ(responses.size(), 3);
  EXPECT_TRUE(responses.at("first").has_response());
  EXPECT_TRUE(responses.at("last").has_response());
  EXPECT_EQ(responses.at("bad").error().code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(ClassifyStreamTest, AMessageHasItsOwnTimeout) {
  model.Hold();
  auto stream = Open();
  stream->Write(Message("busy"));
  model.WaitUntilBusy(1);
  v1::ClassifyStreamRequest hurried = Message("hurried");
  hurried.mutable_timeout()->set_nanos(1);
  stream->Write(hurried);
  stream->WritesDone();
  v1::ClassifyStreamResponse response;
  ASSERT_TRUE(stream->Read(&response));  // before the one that runs
  EXPECT_EQ(response.id(), "hurried");
  EXPECT_EQ(response.error().code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  model.Release();
  EXPECT_TRUE(ReadAll(*stream).at("busy").has_response());
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(ClassifyStreamTest, ATimeoutThatIsNotPositiveIsInvalid) {
  auto stream = Open();
  v1::ClassifyStreamRequest message = Message("never");
  message.mutable_timeout()->set_seconds(-1);
  stream->Write(message);
  stream->WritesDone();
  EXPECT_EQ(ReadAll(*stream).at("never").error().code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(ClassifyStreamTest, OnlyAWindowOfMessagesIsReadWhileNoneIsAnswered) {
  model.Hold();
  auto stream = Open();
  std::thread writer([&] {
    for (int i = 0; i < 20; ++i) stream->Write(Message(absl::StrCat(i)));
    stream->WritesDone();
  });
  model.WaitUntilBusy(1);
  WaitUntilShows("patchserve_in_flight 4");
  model.Release();
  EXPECT_EQ(ReadAll(*stream).size(), 20);
  writer.join();
  int most = 0;  // in one batch: no more than the window were ever there
  for (int size : model.batch_sizes()) most = std::max(most, size);
  EXPECT_LE(most, 4);
}

TEST_F(ClassifyStreamTest, AnswersOfMoreThanMayBeUnsentAreAllSent) {
  auto stream = Open();
  std::thread writer([&] {
    for (int i = 0; i < 12; ++i) stream->Write(Message(std::string(1 << 20, 'a' + i)));
    stream->WritesDone();
  });
  EXPECT_EQ(ReadAll(*stream).size(), 12);
  writer.join();
}

TEST_F(ClassifyStreamTest, DrainAnswersWhatWasReadAndEndsTheStreamUnavailable) {
  model.Hold();
  auto stream = Open();
  stream->Write(Message("accepted"));
  model.WaitUntilBusy(1);
  open_calls.DrainStreams();
  model.Release();
  const auto responses = ReadAll(*stream);
  ASSERT_TRUE(responses.contains("accepted"));
  EXPECT_TRUE(responses.at("accepted").has_response());
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(ClassifyStreamTest, AStreamOpenedAfterDrainIsUnavailable) {
  open_calls.DrainStreams();
  auto stream = Open();
  EXPECT_TRUE(ReadAll(*stream).empty());
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(ClassifyStreamTest, AClientThatCancelsLeavesNothingBehind) {
  model.Hold();
  auto stream = Open();
  for (int i = 0; i < 4; ++i) stream->Write(Message(absl::StrCat(i)));
  ExpectThatCancellingLeavesNothingBehind(context, *stream);
}

}  // namespace
}  // namespace patchserve
