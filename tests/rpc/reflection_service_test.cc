#include "server/rpc/reflection_service.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.pb.h"
#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "grpcpp/generic/generic_stub.h"
#include "patchserve/v1/classification.pb.h"

namespace patchserve {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

class ReflectionServiceTest : public ::testing::Test {
 protected:
  using Request = grpc::reflection::v1::ServerReflectionRequest;
  using Response = grpc::reflection::v1::ServerReflectionResponse;

  ReflectionServiceTest() {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&service_);
    builder.RegisterService(&alpha_);
    server_ = builder.BuildAndStart();
    channel_ =
        grpc::CreateChannel(absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials());
    stub_ = grpc::reflection::v1::ServerReflection::NewStub(channel_);
  }

  Response Ask(const Request& request) {
    grpc::ClientContext context;
    const auto stream = stub_->ServerReflectionInfo(&context);
    Response response;
    EXPECT_TRUE(stream->Write(request) && stream->Read(&response));
    stream->WritesDone();
    EXPECT_TRUE(stream->Finish().ok());
    return response;
  }
  int ErrorOf(const Request& request) { return Ask(request).error_response().error_code(); }

  OpenCalls open_calls_;
  ReflectionService service_{"v1", {"patchserve.v1.ImageClassification"}, open_calls_};
  ReflectionService alpha_{"v1alpha", {}, open_calls_};
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<grpc::reflection::v1::ServerReflection::Stub> stub_;
};

TEST_F(ReflectionServiceTest, ServicesAreListed) {
  Request request;
  request.set_host("here");
  request.set_list_services("");
  const Response response = Ask(request);
  ASSERT_EQ(response.list_services_response().service_size(), 1);
  EXPECT_EQ(response.list_services_response().service(0).name(),
            "patchserve.v1.ImageClassification");
  EXPECT_EQ(response.valid_host(), "here");
  EXPECT_EQ(response.original_request().SerializeAsString(), request.SerializeAsString());
}

TEST_F(ReflectionServiceTest, AFileComesWithWhatItImports) {
  Request request;
  request.set_file_containing_symbol("patchserve.v1.ImageClassification.Classify");
  std::vector<std::string> names;
  const Response response = Ask(request);
  for (const std::string& bytes : response.file_descriptor_response().file_descriptor_proto()) {
    google::protobuf::FileDescriptorProto file;
    ASSERT_TRUE(file.ParseFromString(bytes));
    names.push_back(file.name());
  }
  ASSERT_FALSE(names.empty());
  EXPECT_EQ(names.front(), "patchserve/v1/classification.proto");
  EXPECT_THAT(names, Contains("google/protobuf/duration.proto"));
  request.set_file_by_filename(names.back());
  EXPECT_EQ(Ask(request).file_descriptor_response().file_descriptor_proto_size(), 1);
}

TEST_F(ReflectionServiceTest, WhatIsNotThereIsNamed) {
  Request request;
  request.set_file_containing_symbol("no.such");
  EXPECT_THAT(Ask(request).error_response().error_message(), HasSubstr("no.such"));
  EXPECT_EQ(ErrorOf(request), grpc::StatusCode::NOT_FOUND);
  request.set_file_by_filename("no/such.proto");
  EXPECT_EQ(ErrorOf(request), grpc::StatusCode::NOT_FOUND);
  request.set_all_extension_numbers_of_type("no.such");
  EXPECT_EQ(ErrorOf(request), grpc::StatusCode::NOT_FOUND);
  request.mutable_file_containing_extension()->set_containing_type("patchserve.v1.Model");
  EXPECT_EQ(ErrorOf(request), grpc::StatusCode::NOT_FOUND);
  request.clear_message_request();
  EXPECT_EQ(ErrorOf(request), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(ReflectionServiceTest, AQuestionIsShortAndCanBeParsed) {
  const auto ends = [this](const std::string& bytes) {
    grpc::ClientContext context;
    const grpc::Slice slice(bytes);
    const grpc::ByteBuffer message(&slice, 1);
    grpc::ByteBuffer answer;
    grpc::CompletionQueue queue;
    grpc::Status status;
    grpc::GenericStub stub(channel_);
    const auto call = stub.PrepareUnaryCall(
        &context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", message,
        &queue);
    call->StartCall();
    call->Finish(&answer, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    return status;
  };
  Request request;
  request.set_list_services("");
  EXPECT_EQ(ends(request.SerializeAsString()).error_code(), grpc::StatusCode::OK);
  // DescriptorPool would look at it for hours.
  request.set_file_containing_symbol(std::string(1 << 20, '.'));
  EXPECT_EQ(ends(request.SerializeAsString()).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ends("\xff").error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(ReflectionServiceTest, NoMessageHasExtensions) {
  Request request;
  request.set_all_extension_numbers_of_type("patchserve.v1.Model");
  const Response response = Ask(request);
  EXPECT_EQ(response.all_extension_numbers_response().base_type_name(), "patchserve.v1.Model");
  EXPECT_EQ(response.all_extension_numbers_response().extension_number_size(), 0);
}

TEST_F(ReflectionServiceTest, OneCallAsksAsOftenAsItLikes) {
  grpc::ClientContext context;
  const auto stream = stub_->ServerReflectionInfo(&context);
  Request request;
  request.set_list_services("");
  Response response;
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(stream->Write(request) && stream->Read(&response));
}

TEST_F(ReflectionServiceTest, AShutdownEndsCallsThatAreOpen) {
  grpc::ClientContext context;
  const auto stream = stub_->ServerReflectionInfo(&context);
  Request request;
  request.set_list_services("");
  Response response;
  ASSERT_TRUE(stream->Write(request) && stream->Read(&response));
  open_calls_.DrainStreams();
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_TRUE(open_calls_.WaitUntilNone(absl::Seconds(30)));
}

}  // namespace
}  // namespace patchserve
