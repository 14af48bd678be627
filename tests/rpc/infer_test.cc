#include "server/rpc/infer.h"

#include <bit>
#include <thread>

#include "absl/strings/str_cat.h"
#include "server/pipeline/ranking.h"
#include "tests/rpc/infer_fixture.h"

namespace patchserve {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

// A tensor of the fake model of which only the three logits count.
std::string Tensor(const std::string& r, const std::string& g, const std::string& b) {
  std::string values;
  for (const std::string& value : {r, g, b}) {
    for (int i = 0; i < 4; ++i) values += value;
  }
  return values;
}

std::string Float32(float value) { return {reinterpret_cast<const char*>(&value), 4}; }

TEST_F(InferTest, AFileIsAnsweredWithProbabilitiesUnderItsId) {
  inference::ModelInferRequest request = FileRequest({ColourFile(9, 1, 2)});
  request.set_id("photo 7");
  EXPECT_THAT(Values(request), ElementsAreArray(Softmax({9, 1, 2})));
  EXPECT_EQ(response.id(), "photo 7");
  EXPECT_EQ(response.model_name(), "fake");
  EXPECT_EQ(response.model_version(), "1");
  ASSERT_EQ(response.outputs_size(), 1);
  EXPECT_EQ(response.outputs(0).name(), "probabilities");
  EXPECT_EQ(response.outputs(0).datatype(), "FP32");
  EXPECT_THAT(response.outputs(0).shape(), ElementsAre(1, 3));
}

TEST_F(InferTest, BothServicesGiveTheSameProbabilities) {
  v1::ClassifyRequest typed;
  typed.set_encoded(ColourFile(3, 4, 5));
  v1::ClassifyResponse typed_response;
  ASSERT_TRUE(Call(typed, &typed_response).ok());
  const std::vector<float> probabilities = Values(FileRequest({ColourFile(3, 4, 5)}));
  for (const v1::Prediction& prediction : typed_response.predictions()) {
    EXPECT_EQ(prediction.probability(), probabilities[prediction.class_id()]);
  }
}

TEST_F(InferTest, TypedContentsAndAShapeOfOneSideDoAsWell) {
  inference::ModelInferRequest request = FileRequest({ColourFile(9, 1, 2)});
  request.clear_raw_input_contents();
  request.mutable_inputs(0)->mutable_shape()->Truncate(1);
  request.mutable_inputs(0)->mutable_contents()->add_bytes_contents(ColourFile(9, 1, 2));
  EXPECT_THAT(Values(request), ElementsAreArray(Softmax({9, 1, 2})));
}

TEST_F(InferTest, ManyImagesAreAnsweredInTheirOrder) {
  std::vector<std::string> files;
  for (int i = 0; i < 20; ++i) files.push_back(ColourFile(i, 0, 0));
  inference::ModelInferRequest request = FileRequest(files);
  Ask(request, "logits");
  const std::vector<float> logits = Values(request);
  ASSERT_EQ(logits.size(), 60);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(logits[3 * i], i);
  EXPECT_THAT(response.outputs(0).shape(), ElementsAre(20, 3));
}

TEST_F(InferTest, ABadImageFailsTheRequestAndIsNamed) {
  const grpc::Status status =
      Infer(FileRequest({ColourFile(1, 2, 3), "no image", ColourFile(1, 2, 3)}));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("image 1: "));
}

TEST_F(InferTest, PixelsAreTakenUnderTheirName) {
  const std::vector<uint8_t> red = Colour(9, 1, 2), blue = Colour(1, 2, 9);
  std::string values(red.begin(), red.end());
  values.append(blue.begin(), blue.end());
  inference::ModelInferRequest request = RawRequest("fake.pixels", "UINT8", {2, 2, 2, 3}, values);
  Ask(request, "logits");
  EXPECT_THAT(Values(request), ElementsAre(9, 1, 2, 1, 2, 9));
  EXPECT_EQ(response.model_name(), "fake.pixels");
}

TEST_F(InferTest, TypedPixelsDoAsWell) {
  inference::ModelInferRequest request = RawRequest("fake.pixels", "UINT8", {1, 2, 2, 3}, "");
  request.clear_raw_input_contents();
  for (uint8_t value : Colour(9, 1, 2)) {
    request.mutable_inputs(0)->mutable_contents()->add_uint_contents(value);
  }
  Ask(request, "logits");
  EXPECT_THAT(Values(request), ElementsAre(9, 1, 2));
}

TEST_F(InferTest, ATensorGoesToTheModelAsItIs) {
  inference::ModelInferRequest request = RawRequest("fake.tensor", "FP32", {1, 3, 2, 2},
                                                    Tensor(Float32(-0.5f), Float32(1), Float32(2)));
  Ask(request, "logits");
  EXPECT_THAT(Values(request), ElementsAre(-0.5f, 1, 2));
}

TEST_F(InferTest, HalfPrecisionTensorsAreWidened) {
  static_assert(std::endian::native == std::endian::little);
  inference::ModelInferRequest request = RawRequest(
      "fake.tensor", "FP16", {1, 3, 2, 2},
      Tensor(std::string("\0\xb8", 2), std::string("\0\x3c", 2), std::string("\0\x40", 2)));
  Ask(request, "logits");
  EXPECT_THAT(Values(request), ElementsAre(-0.5f, 1, 2));
  request.mutable_inputs(0)->set_datatype("BF16");
  request.set_raw_input_contents(
      0, Tensor(std::string("\0\xbf", 2), std::string("\x80\x3f", 2), std::string("\0\x40", 2)));
  EXPECT_THAT(Values(request), ElementsAre(-0.5f, 1, 2));
}

TEST_F(InferTest, OutputsComeByNameInTheOrderAskedFor) {
  inference::ModelInferRequest request = FileRequest({ColourFile(1, 2, 9)});
  for (const char* output : {"label", "embedding", "logits"}) Ask(request, output);
  ASSERT_TRUE(Infer(request).ok());
  EXPECT_EQ(response.outputs(0).datatype(), "BYTES");
  EXPECT_THAT(response.outputs(0).shape(), ElementsAre(1, 1));
  EXPECT_EQ(response.raw_output_contents(0), Element("blue"));
  EXPECT_THAT(Floats(response.raw_output_contents(1)), ElementsAre(1, 2));
  EXPECT_THAT(Floats(response.raw_output_contents(2)), ElementsAre(1, 2, 9));
}

TEST_F(InferTest, AnEmbeddingIsScaledToLength1WhereAParameterSaysSo) {
  inference::ModelInferRequest request = FileRequest({ColourFile(3, 4, 0)});
  Ask(request, "embedding");
  (*request.mutable_parameters())["normalize_embedding"].set_bool_param(true);
  EXPECT_THAT(Values(request), ElementsAre(0.6f, 0.8f));
}

class SmallBudgetInferTest : public InferTest {
 protected:
  SmallBudgetInferTest() { options.max_bytes_in_flight = 150'000; }  // 135,000 but for the critical
};

TEST_F(SmallBudgetInferTest, WhatARequestHoldsCountsOnceWhateverItsImagesShares) {
  const std::string large = ColourFile(1, 2, 3) + std::string(100'000, '\0');
  const std::string small = ColourFile(4, 5, 6);
  inference::ModelInferRequest request = FileRequest({large, small, small, small});
  EXPECT_EQ(Values(request).size(), 12);
  request.set_id(std::string(40'000, 'x'));
  EXPECT_EQ(Infer(request).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(EncoderInferTest, TheOneOutputIsTheEmbedding) {
  EXPECT_THAT(Values(FileRequest({ColourFile(9, 1, 2), ColourFile(3, 4, 5)})),
              ElementsAre(9, 1, 3, 4));
  EXPECT_EQ(response.outputs(0).name(), "embedding");
  EXPECT_THAT(response.outputs(0).shape(), ElementsAre(2, 2));
}

TEST_F(EncoderInferTest, AskingForClassesIsAMistake) {
  for (const char* output : {"probabilities", "logits", "label"}) {
    inference::ModelInferRequest request = FileRequest({ColourFile(9, 1, 2)});
    Ask(request, output);
    const grpc::Status status = Infer(request);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(status.error_message(), HasSubstr("its one output is embedding"));
  }
}

TEST_F(InferTest, ClassificationGivesValueIndexAndLabel) {
  inference::ModelInferRequest request = FileRequest({ColourFile(1, 2, 9)});
  Ask(request, "logits");
  (*request.mutable_outputs(0)->mutable_parameters())["classification"] = Number(2);
  ASSERT_TRUE(Infer(request).ok());
  EXPECT_EQ(response.outputs(0).datatype(), "BYTES");
  EXPECT_THAT(response.outputs(0).shape(), ElementsAre(1, 2));
  EXPECT_EQ(response.raw_output_contents(0),
            Element("9.000000:2:blue") + Element("2.000000:1:green"));
}

TEST_F(InferTest, MoreClassesThanThereAreGiveAll) {
  inference::ModelInferRequest request = FileRequest({ColourFile(1, 2, 9)});
  Ask(request, "probabilities");
  (*request.mutable_outputs(0)->mutable_parameters())["classification"] = Number(99);
  ASSERT_TRUE(Infer(request).ok());
  EXPECT_THAT(response.outputs(0).shape(), ElementsAre(1, 3));
}

TEST_F(InferTest, TheTimeoutIsADeadline) {
  std::thread first = HoldOne();
  inference::ModelInferRequest request = FileRequest({ColourFile(1, 2, 3)});
  (*request.mutable_parameters())["timeout"] = Number(1);
  EXPECT_EQ(Infer(request).error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  model.Release();
  first.join();
}

TEST_F(InferTest, ACallThatIsCancelledInTheQueueIsNotRun) {
  std::thread first = HoldOne();
  grpc::ClientContext context;
  std::thread second([&] {
    const auto request = FileRequest({ColourFile(1, 2, 3), ColourFile(1, 2, 3)});
    EXPECT_EQ(oip->ModelInfer(&context, request, &response).error_code(),
              grpc::StatusCode::CANCELLED);
  });
  WaitUntilShows("patchserve_in_flight 3");
  context.TryCancel();
  second.join();
  WaitUntilShows("patchserve_in_flight 1");  // without a batch's end
  model.Release();
  first.join();
  EXPECT_THAT(model.batch_sizes(), ElementsAre(1));
}

}  // namespace
}  // namespace patchserve
