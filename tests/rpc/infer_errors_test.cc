// What every RPC of the Open Inference Protocol answers to bad input.

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/empty.pb.h"
#include "grpcpp/impl/codegen/client_unary_call.h"
#include "tests/rpc/infer_fixture.h"

namespace patchserve {
namespace {

using grpc::StatusCode;
using inference::ModelInferRequest;
using ::testing::HasSubstr;

using InferErrorsTest = InferTest;

struct BadRequest {
  const char* name;
  std::function<void(ModelInferRequest&)> spoil;  // a good request
  StatusCode code;
  const char* message;  // a part of it
};

const std::string kPixel(12, '\1');   // 2 x 2 RGB
const std::string kTensor(48, '\0');  // 3 x 2 x 2 FP32

ModelInferRequest::InferInputTensor& Input(ModelInferRequest& r) { return *r.mutable_inputs(0); }
void Shape(ModelInferRequest& r, std::initializer_list<int64_t> shape) {
  Input(r).mutable_shape()->Assign(shape.begin(), shape.end());
}
void Raw(ModelInferRequest& r, const std::string& raw) { r.set_raw_input_contents(0, raw); }

class BadRequestTest : public InferTest, public ::testing::WithParamInterface<BadRequest> {
 protected:
  void ExpectOnlyTheSpoiltIsRefused(ModelInferRequest request) {
    ASSERT_TRUE(Infer(request).ok());
    GetParam().spoil(request);
    const grpc::Status status = Infer(request);
    EXPECT_EQ(status.error_code(), GetParam().code) << status.error_message();
    EXPECT_THAT(status.error_message(), HasSubstr(GetParam().message));
    EXPECT_EQ(StreamError(request),
              absl::StrCat(absl::StatusCodeToString(static_cast<absl::StatusCode>(GetParam().code)),
                           ": ", status.error_message()));
  }

 private:
  // What ModelStreamInfer answers.
  std::string StreamError(const ModelInferRequest& request) {
    grpc::ClientContext context;
    const auto stream = oip->ModelStreamInfer(&context);
    stream->Write(request);
    stream->WritesDone();
    inference::ModelStreamInferResponse answer;
    EXPECT_TRUE(stream->Read(&answer));
    EXPECT_TRUE(stream->Finish().ok());
    return answer.error_message();
  }
};
class BadFileTest : public BadRequestTest {};
class BadPixelsTest : public BadRequestTest {};
class BadTensorTest : public BadRequestTest {};

TEST_P(BadFileTest, IsRefused) {
  ExpectOnlyTheSpoiltIsRefused(FileRequest({ColourFile(1, 2, 3), ColourFile(4, 5, 6)}));
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadFileTest,
    ::testing::Values(
        BadRequest{"UnknownModel", [](auto& r) { r.set_model_name("nobody"); },
                   StatusCode::NOT_FOUND, "no model \"nobody\""},
        BadRequest{"ModelThatLoads", [](auto& r) { r.set_model_name("slow"); },
                   StatusCode::UNAVAILABLE, "still loading"},
        BadRequest{"UnknownVersion", [](auto& r) { r.set_model_version("2"); },
                   StatusCode::NOT_FOUND, "no version \"2\""},
        BadRequest{"NoInput", [](auto& r) { r.clear_inputs(); }, StatusCode::INVALID_ARGUMENT,
                   "0 inputs"},
        BadRequest{"TwoInputs", [](auto& r) { r.add_inputs(); }, StatusCode::INVALID_ARGUMENT,
                   "2 inputs"},
        BadRequest{"UnknownInput", [](auto& r) { Input(r).set_name("x"); },
                   StatusCode::INVALID_ARGUMENT, "no input \"x\""},
        BadRequest{"WrongDatatype", [](auto& r) { Input(r).set_datatype("UINT8"); },
                   StatusCode::INVALID_ARGUMENT, "\"UINT8\", not BYTES"},
        BadRequest{"NoShape", [](auto& r) { Shape(r, {}); }, StatusCode::INVALID_ARGUMENT,
                   "shape []"},
        BadRequest{"WrongShape",
                   [](auto& r) {
                     Shape(r, {1, 2});
                   },
                   StatusCode::INVALID_ARGUMENT, "shape [1, 2], not [N, 1] or [N]"},
        BadRequest{"NoImages", [](auto& r) { Shape(r, {0}); }, StatusCode::INVALID_ARGUMENT,
                   "0 images"},
        BadRequest{"NegativeCount", [](auto& r) { Shape(r, {-1}); }, StatusCode::INVALID_ARGUMENT,
                   "-1 images"},
        BadRequest{"TooManyImages", [](auto& r) { Shape(r, {51}); }, StatusCode::INVALID_ARGUMENT,
                   "takes 1 to 22"},
        BadRequest{"FewerElements", [](auto& r) { Shape(r, {3}); }, StatusCode::INVALID_ARGUMENT,
                   "has 2 elements, its shape needs 3"},
        BadRequest{"MoreElements", [](auto& r) { Shape(r, {1}); }, StatusCode::INVALID_ARGUMENT,
                   "goes on after the 1"},
        BadRequest{"LengthPastTheEnd",
                   [](auto& r) { Raw(r, std::string("\xff\xff\xff\xff", 4) + "abc"); },
                   StatusCode::INVALID_ARGUMENT, "4294967295 bytes, 3 are left"},
        BadRequest{"NoLengths", [](auto& r) { Raw(r, "\xff\xd8\xff\xe0 a JPEG file"); },
                   StatusCode::INVALID_ARGUMENT,
                   "begins as a JPEG file does: its length, four bytes, little-endian"},
        BadRequest{"LengthCutOff", [](auto& r) { Raw(r, "abc"); }, StatusCode::INVALID_ARGUMENT,
                   "ends within the length"},
        BadRequest{"NoValues", [](auto& r) { r.clear_raw_input_contents(); },
                   StatusCode::INVALID_ARGUMENT, "has 0 elements"},
        BadRequest{"TwoRaw", [](auto& r) { r.add_raw_input_contents("x"); },
                   StatusCode::INVALID_ARGUMENT, "2 raw_input_contents"},
        BadRequest{"BothContents",
                   [](auto& r) { Input(r).mutable_contents()->add_bytes_contents("x"); },
                   StatusCode::INVALID_ARGUMENT, "one of them"},
        BadRequest{"TypedContentsOfAnotherType",
                   [](auto& r) {
                     r.clear_raw_input_contents();
                     Input(r).mutable_contents()->add_fp32_contents(1);
                   },
                   StatusCode::INVALID_ARGUMENT, "is BYTES and has contents of another type"},
        BadRequest{"TypedContentsOfItsTypeAndAnother",
                   [](auto& r) {
                     r.clear_raw_input_contents();
                     for (int i = 0; i < 2; ++i) {
                       Input(r).mutable_contents()->add_bytes_contents(ColourFile(1, 2, 3));
                     }
                     Input(r).mutable_contents()->add_int64_contents(1);
                   },
                   StatusCode::INVALID_ARGUMENT, "is BYTES and has contents of another type"},
        BadRequest{"NotAnImage", [](auto& r) { Raw(r, Element("x") + Element("y")); },
                   StatusCode::INVALID_ARGUMENT, "image 0: "},
        BadRequest{"SharedMemoryInput",
                   [](auto& r) {
                     (*Input(r).mutable_parameters())["shared_memory_region"].set_string_param("a");
                   },
                   StatusCode::UNIMPLEMENTED, "shared memory"},
        BadRequest{"UnknownOutput", [](auto& r) { Ask(r, "scores"); }, StatusCode::INVALID_ARGUMENT,
                   "no output \"scores\""},
        BadRequest{"OutputTwice",
                   [](auto& r) {
                     Ask(r, "logits");
                     Ask(r, "logits");
                   },
                   StatusCode::INVALID_ARGUMENT, "twice"},
        BadRequest{"SharedMemoryOutput",
                   [](auto& r) {
                     Ask(r, "logits");
                     (*r.mutable_outputs(0)->mutable_parameters())["shared_memory_region"];
                   },
                   StatusCode::UNIMPLEMENTED, "shared memory"},
        BadRequest{"ClassificationOfLabels",
                   [](auto& r) {
                     Ask(r, "label");
                     (*r.mutable_outputs(0)->mutable_parameters())["classification"] = Number(1);
                   },
                   StatusCode::INVALID_ARGUMENT, "classification is 1 on output label"},
        BadRequest{"ClassificationOfNone",
                   [](auto& r) {
                     Ask(r, "logits");
                     (*r.mutable_outputs(0)->mutable_parameters())["classification"] = Number(0);
                   },
                   StatusCode::INVALID_ARGUMENT, "at least 1"},
        BadRequest{"PriorityOfAnotherType",
                   [](auto& r) { (*r.mutable_parameters())["priority"].set_string_param("1"); },
                   StatusCode::INVALID_ARGUMENT, "priority is neither"},
        BadRequest{"NormalizeOfAnotherType",
                   [](auto& r) {
                     Ask(r, "embedding");
                     (*r.mutable_parameters())["normalize_embedding"] = Number(1);
                   },
                   StatusCode::INVALID_ARGUMENT, "normalize_embedding is not bool_param"},
        BadRequest{"NormalizeWithoutAnEmbedding",
                   [](auto& r) {
                     (*r.mutable_parameters())["normalize_embedding"].set_bool_param(true);
                   },
                   StatusCode::INVALID_ARGUMENT, "output embedding isn't asked for"},
        BadRequest{"NegativeTimeout",
                   [](auto& r) { (*r.mutable_parameters())["timeout"] = Number(-5); },
                   StatusCode::INVALID_ARGUMENT, "timeout is -5"}),
    [](const auto& info) { return info.param.name; });

TEST_P(BadPixelsTest, IsRefused) {
  ExpectOnlyTheSpoiltIsRefused(RawRequest("fake.pixels", "UINT8", {1, 2, 2, 3}, kPixel));
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadPixelsTest,
    ::testing::Values(BadRequest{"Files", [](auto& r) { Input(r).set_datatype("BYTES"); },
                                 StatusCode::INVALID_ARGUMENT, "\"BYTES\", not UINT8"},
                      BadRequest{"ChannelsFirst",
                                 [](auto& r) {
                                   Shape(r, {1, 3, 2, 2});
                                 },
                                 StatusCode::INVALID_ARGUMENT, "not [N, height, width, 3]"},
                      BadRequest{"NoHeight",
                                 [](auto& r) {
                                   Shape(r, {1, 0, 2, 3});
                                 },
                                 StatusCode::INVALID_ARGUMENT, "not [N, height, width, 3]"},
                      BadRequest{"HugeSide",
                                 [](auto& r) {
                                   Shape(r, {1, int64_t{1} << 62, 4, 3});
                                 },
                                 StatusCode::INVALID_ARGUMENT, "not [N, height, width, 3]"},
                      BadRequest{"FewerBytes", [](auto& r) { Raw(r, "x"); },
                                 StatusCode::INVALID_ARGUMENT, "has 1 bytes, its shape needs 12"},
                      BadRequest{"TypedValueAbove255",
                                 [](auto& r) {
                                   r.clear_raw_input_contents();
                                   Input(r).mutable_contents()->add_uint_contents(256);
                                 },
                                 StatusCode::INVALID_ARGUMENT, "has the value 256"}),
    [](const auto& info) { return info.param.name; });

TEST_P(BadTensorTest, IsRefused) {
  ExpectOnlyTheSpoiltIsRefused(RawRequest("fake.tensor", "FP32", {1, 3, 2, 2}, kTensor));
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadTensorTest,
    ::testing::Values(BadRequest{"Doubles", [](auto& r) { Input(r).set_datatype("FP64"); },
                                 StatusCode::INVALID_ARGUMENT, "\"FP64\", not FP32, FP16, BF16"},
                      BadRequest{"AnotherSize",
                                 [](auto& r) {
                                   Shape(r, {1, 3, 4, 4});
                                 },
                                 StatusCode::INVALID_ARGUMENT, "not [N, 3, 2, 2]"},
                      BadRequest{"ChannelsLast",
                                 [](auto& r) {
                                   Shape(r, {1, 2, 2, 3});
                                 },
                                 StatusCode::INVALID_ARGUMENT, "not [N, 3, 2, 2]"},
                      BadRequest{"FewerBytes", [](auto& r) { Raw(r, "x"); },
                                 StatusCode::INVALID_ARGUMENT, "has 1 bytes, its shape needs 48"},
                      BadRequest{"HalvesInTypedContents",
                                 [](auto& r) {
                                   Input(r).set_datatype("FP16");
                                   r.clear_raw_input_contents();
                                 },
                                 StatusCode::INVALID_ARGUMENT, "FP16 has no typed contents"}),
    [](const auto& info) { return info.param.name; });

class BadNameTest : public InferTest {
 protected:
  // The codes of ModelMetadata, ModelConfig and ModelStatistics.
  std::vector<StatusCode> Codes(const std::string& name, const std::string& version) {
    return {
        CodeOf(&inference::GRPCInferenceService::Stub::ModelMetadata,
               inference::ModelMetadataRequest(), inference::ModelMetadataResponse(), name,
               version),
        CodeOf(&inference::GRPCInferenceService::Stub::ModelConfig, inference::ModelConfigRequest(),
               inference::ModelConfigResponse(), name, version),
        CodeOf(&inference::GRPCInferenceService::Stub::ModelStatistics,
               inference::ModelStatisticsRequest(), inference::ModelStatisticsResponse(), name,
               version)};
  }

 private:
  template <typename Method, typename Request, typename Response>
  StatusCode CodeOf(Method method, Request request, Response answer, const std::string& name,
                    const std::string& version) {
    grpc::ClientContext context;
    request.set_name(name);
    request.set_version(version);
    return (oip.get()->*method)(&context, request, &answer).error_code();
  }
};

TEST_F(BadNameTest, AnUnknownModelOrVersionIsNotFound) {
  using ::testing::Each;
  EXPECT_THAT(Codes("fake", "1"), Each(StatusCode::OK));
  EXPECT_THAT(Codes("nobody", ""), Each(StatusCode::NOT_FOUND));
  EXPECT_THAT(Codes("nobody.tensor", ""), Each(StatusCode::NOT_FOUND));
  EXPECT_THAT(Codes("fake", "2"), Each(StatusCode::NOT_FOUND));
}

TEST_F(BadNameTest, AnUnknownModelIsNamedInTheWordsThatTritonsClientsLookFor) {
  inference::ModelInferRequest request = FileRequest({ColourFile(1, 2, 3)});
  request.set_model_name("nobody");
  EXPECT_THAT(
      Infer(request).error_message(),
      HasSubstr("Request for unknown model: there is no model \"nobody\"; there is fake, "));
  grpc::ClientContext context;
  inference::ModelMetadataRequest metadata;
  metadata.set_name("nobody");
  inference::ModelMetadataResponse ignored;
  EXPECT_THAT(oip->ModelMetadata(&context, metadata, &ignored).error_message(),
              HasSubstr("Request for unknown model"));
}

TEST_F(BadNameTest, AModelThatLoadsIsUnavailable) {
  EXPECT_THAT(Codes("slow", ""), ::testing::Each(StatusCode::UNAVAILABLE));
}

// What one of Triton's RPCs is answered that the .proto doesn't have.
grpc::Status CallOther(const std::shared_ptr<grpc::Channel>& channel, const std::string& name) {
  const std::string path = absl::StrCat("/inference.GRPCInferenceService/", name);
  const grpc::internal::RpcMethod method(path.c_str(), grpc::internal::RpcMethod::NORMAL_RPC);
  grpc::ClientContext context;
  google::protobuf::Empty request, answer;
  return grpc::internal::BlockingUnaryCall(channel.get(), method, &context, request, &answer);
}

TEST_F(InferErrorsTest, TritonsOtherRpcsAreUnimplementedWithATextThatNamesThem) {
  for (const char* name :
       {"SystemSharedMemoryStatus", "SystemSharedMemoryRegister", "CudaSharedMemoryStatus",
        "CudaSharedMemoryRegister", "TraceSetting", "LogSettings"}) {
    const grpc::Status status = CallOther(channel, name);
    EXPECT_EQ(status.error_code(), StatusCode::UNIMPLEMENTED) << name;
    EXPECT_THAT(status.error_message(), HasSubstr(absl::StrCat("/", name, "\""))) << name;
  }
}

TEST_F(InferErrorsTest, NothingIsRegisteredSoUnregisteringSharedMemoryIsDone) {
  EXPECT_TRUE(CallOther(channel, "SystemSharedMemoryUnregister").ok());
  EXPECT_TRUE(CallOther(channel, "CudaSharedMemoryUnregister").ok());
}

}  // namespace
}  // namespace patchserve
