#include <signal.h>
#include <sys/wait.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "grpcpp/create_channel.h"
#include "grpcpp/generic/generic_stub.h"
#include "inference/grpc_service.grpc.pb.h"
#include "tests/rpc/certificates.h"
#include "tests/system/http_get.h"
#include "tests/system/server_fixture.h"
#include "tests/temporary_folder.h"

namespace patchserve {
namespace {

using ::testing::HasSubstr;

// The exit code of patchserve_probe.
int Probe(const std::string& address, const std::string& service = "") {
  return WEXITSTATUS(std::system((PROBE_PROGRAM " " + address + " '" + service + "'").c_str()));
}

// What a call of `method`, with an empty message, is answered.
grpc::StatusCode Call(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                      const std::string& token = "") {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  if (!token.empty()) context.AddMetadata("authorization", token);
  grpc::CompletionQueue queue;
  grpc::ByteBuffer answer;
  grpc::Status status;
  const auto call = stub.PrepareUnaryCall(&context, method, grpc::ByteBuffer(), &queue);
  call->StartCall();
  call->Finish(&answer, &status, /*tag=*/nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  return status.error_code();
}

// The same in plaintext.
grpc::StatusCode Call(const std::string& address, const std::string& method) {
  return Call(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()), method);
}

constexpr char kReflection[] = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
constexpr char kToken[] = "Bearer a-token-of-twenty-letters";

// A server with TLS, a token and a health port.
class SecuredServerTest : public ::testing::Test {
 protected:
  void Start(std::vector<std::string> arguments) {
    const CertificateAndKey own = ca.Issue();
    arguments.insert(
        arguments.end(),
        {"--models=" + kTestModels + "/vit", "--tls_cert=" + folder.Write("crt", own.certificate),
         "--tls_key=" + folder.Write("key", own.key),
         "--auth_tokens=" + folder.Write("tokens", std::string("shop ") + (kToken + 7)),
         "--health_address=127.0.0.1:0"});
    server = std::make_unique<ServerProcess>(arguments);
    ASSERT_TRUE(server->WaitUntilServing()) << server->log();
    channel = grpc::CreateChannel(server->address(), grpc::SslCredentials({ca.pem(), "", ""}));
  }

  grpc::StatusCode Classify(const std::string& token) {
    grpc::ClientContext context;
    if (!token.empty()) context.AddMetadata("authorization", token);
    v1::ClassifyResponse response;
    return v1::ImageClassification::NewStub(channel)
        ->Classify(&context, EncodedRequest(TestImage("chelsea.jpg")), &response)
        .error_code();
  }

  grpc::StatusCode Infer(const std::string& token, const std::string& image) {
    grpc::ClientContext context;
    if (!token.empty()) context.AddMetadata("authorization", token);
    inference::ModelInferRequest request;
    inference::ModelInferRequest::InferInputTensor& input = *request.add_inputs();
    input.set_name("image");
    input.set_datatype("BYTES");
    input.add_shape(1);
    input.mutable_contents()->add_bytes_contents(image);
    inference::ModelInferResponse response;
    return inference::GRPCInferenceService::NewStub(channel)
        ->ModelInfer(&context, request, &response)
        .error_code();
  }

  grpc::StatusCode Load(const std::string& token) {
    grpc::ClientContext context;
    if (!token.empty()) context.AddMetadata("authorization", token);
    inference::RepositoryModelLoadRequest request;
    request.set_model_name("vit");
    inference::RepositoryModelLoadResponse response;
    return inference::GRPCInferenceService::NewStub(channel)
        ->RepositoryModelLoad(&context, request, &response)
        .error_code();
  }

  const TemporaryFolder folder;
  const TestCa ca;
  std::unique_ptr<ServerProcess> server;
  std::shared_ptr<grpc::Channel> channel;
};

TEST_F(SecuredServerTest, BothServicesAskForTheTokenAndTheHealthPortDoesnt) {
  Start({"--repository_control"});
  EXPECT_EQ(Classify(kToken), grpc::StatusCode::OK);
  EXPECT_EQ(Classify(""), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(Infer(kToken, TestImage("chelsea.jpg")), grpc::StatusCode::OK);
  EXPECT_EQ(Infer("", TestImage("chelsea.jpg")), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(Load(kToken), grpc::StatusCode::OK);
  EXPECT_EQ(Load(""), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(Probe(server->health_address()), 0);
  EXPECT_EQ(Probe(server->health_address(), "nobody"), 1);
  EXPECT_EQ(Call(server->health_address(), kReflection), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(Probe(server->address()), 1);  // TLS
}

TEST_F(SecuredServerTest, ReflectionIsAnsweredAndTheServerServesOn) {
  Start({});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Call(channel, kReflection, kToken), grpc::StatusCode::OK);
  EXPECT_EQ(Classify(kToken), grpc::StatusCode::OK);
}

TEST_F(SecuredServerTest, RefusedCallersAreCountedAndLoggedAndAcceptedOnesNamed) {
  Start({"--access_log=1", "--reflection=false"});
  EXPECT_EQ(Classify(kToken), grpc::StatusCode::OK);
  EXPECT_EQ(Classify(""), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(Classify("Bearer somebody-elses-token"), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(Call(server->address(), "/x"), grpc::StatusCode::UNAVAILABLE);  // plaintext
  const auto count = [this](const std::string& series) {
    const std::string scrape = HttpGet(server->metrics_address(), "/metrics");
    const size_t found = scrape.find("\npatchserve_" + series + " ");
    return found == std::string::npos ? -1 : std::stod(scrape.substr(found + series.size() + 13));
  };
  EXPECT_EQ(count("unauthenticated_total{reason=\"no_token\"}"), 1);
  EXPECT_EQ(count("unauthenticated_total{reason=\"unknown_token\"}"), 1);
  EXPECT_GE(count("handshakes_failed_total{reason=\"not_tls\"}"), 1);
  EXPECT_GT(count("certificate_expiry_timestamp_seconds"), 1.7e9);
  EXPECT_TRUE(server->WaitForLog("a call is UNAUTHENTICATED: no_token"));
  EXPECT_TRUE(server->WaitForLog("token=\"shop\""));
  EXPECT_EQ(Call(channel, kReflection, kToken), grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(SecuredServerTest, NewTlsFilesAreLoggedAndCountedWhenAScrapeSeesThem) {
  Start({});
  HttpGet(server->metrics_address(), "/metrics");
  EXPECT_THAT(server->log(), ::testing::Not(HasSubstr("TLS files")));
  const CertificateAndKey next = ca.Issue(absl::Hours(48));
  folder.Write("crt", next.certificate);
  folder.Write("key", next.key);
  HttpGet(server->metrics_address(), "/metrics");
  EXPECT_TRUE(server->WaitForLog("new TLS files fit: "));
  folder.Write("crt", ca.Issue(absl::Hours(72)).certificate);  // with the old key
  HttpGet(server->metrics_address(), "/metrics");
  EXPECT_TRUE(server->WaitForLog("key is not the key of "));
  const std::string scrape = HttpGet(server->metrics_address(), "/metrics");
  EXPECT_THAT(scrape, HasSubstr("certificate_changes_total{result=\"loaded\"} 1\n"));
  EXPECT_THAT(scrape, HasSubstr("certificate_changes_total{result=\"refused\"} 1\n"));
}

TEST_F(SecuredServerTest, MessagesAndMetadataAreLimitedForTheOpenInferenceProtocolToo) {
  Start({"--max_image_bytes=300000"});
  EXPECT_EQ(Infer(kToken, std::string(2'000'000, 'x')), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(Infer(kToken, TestImage("chelsea.jpg")), grpc::StatusCode::OK);
  // The last one: gRPC 1.51 may close the connection after it.
  EXPECT_EQ(Infer(std::string(20'000, 'x'), "x"), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST(TransportSystemTest, AKeyThatIsntTheCertificatesEndsTheServerWithAMessage) {
  const TemporaryFolder folder;
  const TestCa ca;
  ServerProcess server({"--models=" + kTestModels + "/vit",
                        "--tls_cert=" + folder.Write("crt", ca.Issue().certificate),
                        "--tls_key=" + folder.Write("key", ca.Issue().key)});
  EXPECT_EQ(server.WaitForExit(), 1);
  EXPECT_TRUE(server.WaitForLog("is not the key of"));
}

TEST(TransportSystemTest, TheJsonLogHasTheAccessLogsFieldsAndTheCallersTrace) {
  ServerProcess server({"--models=" + kTestModels + "/vit", "--log_format=json", "--access_log=1",
                        "--lame_duck=0s"});
  ASSERT_TRUE(server.WaitForLog("\"message\":\"serving\"")) << server.log();
  const auto stub = v1::ImageClassification::NewStub(
      grpc::CreateChannel(server.address(), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  context.AddMetadata("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  v1::ClassifyResponse response;
  ASSERT_TRUE(stub->Classify(&context, EncodedRequest(TestImage("chelsea.jpg")), &response).ok());
  server.Signal(SIGTERM);
  EXPECT_EQ(server.WaitForExit(), 0);
  ASSERT_TRUE(server.WaitForLog("drained"));
  EXPECT_THAT(
      server.log(),
      HasSubstr("\"level\":\"info\",\"logger\":\"access\",\"model\":\"vit\",\"code\":\"OK\""));
  EXPECT_THAT(
      server.log(),
      HasSubstr("\"traceparent\":\"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\"}"));
}

}  // namespace
}  // namespace patchserve
