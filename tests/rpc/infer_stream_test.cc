#include "server/rpc/infer_stream.h"

#include <string>
#include <thread>
#include <vector>

#include "tests/rpc/infer_fixture.h"

namespace patchserve {
namespace {

using inference::ModelInferRequest;
using inference::ModelStreamInferResponse;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Stream = grpc::ClientReaderWriter<ModelInferRequest, ModelStreamInferResponse>;

class InferStreamTest : public InferTest {
 protected:
  std::unique_ptr<Stream> Open() { return oip->ModelStreamInfer(&context); }

  static ModelInferRequest Message(const std::string& id, const std::string& file) {
    ModelInferRequest request = FileRequest({file});
    request.set_id(id);
    return request;
  }

  static std::vector<ModelStreamInferResponse> ReadAll(Stream& stream) {
    std::vector<ModelStreamInferResponse> answers;
    for (ModelStreamInferResponse answer; stream.Read(&answer);) answers.push_back(answer);
    return answers;
  }
  static std::vector<std::string> Ids(const std::vector<ModelStreamInferResponse>& answers) {
    std::vector<std::string> ids;
    for (const auto& answer : answers) ids.push_back(answer.infer_response().id());
    return ids;
  }

  grpc::ClientContext context;
};

TEST_F(InferStreamTest, AnswersComeInTheOrderOfTheRequestsAndABadOneFailsAlone) {
  auto stream = Open();
  stream->Write(Message("a", ColourFile(9, 1, 2)));
  stream->Write(Message("b", "no image"));  // answered before a is decoded
  stream->Write(Message("c", ColourFile(9, 1, 2)));
  stream->WritesDone();
  const auto answers = ReadAll(*stream);
  EXPECT_TRUE(stream->Finish().ok());
  ASSERT_THAT(Ids(answers), ElementsAre("a", "b", "c"));
  EXPECT_EQ(answers[0].error_message(), "");
  EXPECT_EQ(answers[0].infer_response().outputs_size(), 1);
  EXPECT_THAT(answers[1].error_message(), HasSubstr("INVALID_ARGUMENT: "));
  EXPECT_EQ(answers[2].error_message(), "");
  for (const auto& answer : answers) {
    EXPECT_TRUE(answer.infer_response().parameters().at("triton_final_response").bool_param());
  }
}

TEST_F(InferStreamTest, MoreThanTheWindowIsAnsweredToo) {
  auto stream = Open();
  std::vector<std::string> sent;
  for (int i = 0; i < 30; ++i) sent.push_back(std::to_string(i));
  std::thread writer([&] {
    for (const std::string& id : sent) stream->Write(Message(id, ColourFile(1, 2, 3)));
    stream->WritesDone();
  });
  EXPECT_EQ(Ids(ReadAll(*stream)), sent);
  writer.join();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(InferStreamTest, DrainAnswersWhatWasReadAndEndsTheStreamUnavailable) {
  model.Hold();
  auto stream = Open();
  stream->Write(Message("accepted", ColourFile(1, 2, 3)));
  model.WaitUntilBusy(1);
  open_calls.DrainStreams();
  model.Release();
  EXPECT_THAT(Ids(ReadAll(*stream)), ElementsAre("accepted"));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(InferStreamTest, AClientThatCancelsLeavesNothingBehind) {
  model.Hold();
  auto stream = Open();
  for (int i = 0; i < 4; ++i) stream->Write(Message("x", ColourFile(1, 2, 3)));
  ExpectThatCancellingLeavesNothingBehind(context, *stream);
}

}  // namespace
}  // namespace patchserve
