#include "client/security.h"

#include <gmock/gmock.h>

#include <map>

#include "client/classifier_client.h"
#include "tests/client/fake_server.h"
#include "tests/client/run_program.h"
#include "tests/rpc/certificates.h"
#include "tests/temporary_folder.h"

namespace patchserve {
namespace {

using ::testing::HasSubstr;

constexpr char kToken[] = "a-token-of-twenty-letters";

// A server whose certificate `ca` has signed, as the clients' must be if `mutual`.
class SecurityTest : public ::testing::Test {
 protected:
  std::unique_ptr<FakeServer> Serve(bool mutual) {
    grpc::SslServerCredentialsOptions options(
        mutual ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
               : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
    const CertificateAndKey own = ca.Issue();
    options.pem_root_certs = ca.pem();
    options.pem_key_cert_pairs.push_back({own.key, own.certificate});
    auto wants_token = [](grpc::ServerContext& context, const v1::ClassifyRequest& request,
                          v1::ClassifyResponse& response) {
      const auto found = context.client_metadata().find("authorization");
      if (found == context.client_metadata().end() ||
          found->second != std::string("Bearer ") + kToken) {
        return grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "no token");
      }
      return FakeServer::PictureOfItsBytes(context, request, response);
    };
    return std::make_unique<FakeServer>(wants_token, FakeServer::Never,
                                        grpc::SslServerCredentials(options));
  }

  static absl::StatusCode Ask(const FakeServer& server, const Security& security) {
    return ClassifierClient(Connect(server.address(), {.security = security}), {.retry = false})
        .Classify("photo", {})
        .status()
        .code();
  }

  Finished Classify(const std::string& server, std::vector<std::string> flags) {
    flags.insert(flags.begin(), {CLASSIFY_PROGRAM, "--server=" + server, "--output=csv", "-"});
    return RunProgram(flags, "tabby");
  }

  const TestCa ca, other_ca;
  const TemporaryFolder folder;
};

TEST_F(SecurityTest, TheTokenGoesToAServerThatIsTrusted) {
  const auto server = Serve(/*mutual=*/false);
  Security security{.tls = true, .roots = ca.pem(), .token = kToken};
  EXPECT_EQ(Ask(*server, security), absl::StatusCode::kOk);
  security.token = "";
  EXPECT_EQ(Ask(*server, security), absl::StatusCode::kUnauthenticated);
  security.roots = other_ca.pem();
  EXPECT_EQ(Ask(*server, security), absl::StatusCode::kUnavailable);
}

TEST_F(SecurityTest, AServerThatWantsCertificatesGetsTheClients) {
  const auto server = Serve(/*mutual=*/true);
  Security security{.tls = true, .roots = ca.pem(), .token = kToken};
  EXPECT_EQ(Ask(*server, security), absl::StatusCode::kUnavailable);
  const CertificateAndKey own = ca.Issue();
  security.certificate = own.certificate;
  security.key = own.key;
  EXPECT_EQ(Ask(*server, security), absl::StatusCode::kOk);
}

TEST_F(SecurityTest, TheServersNameCanDifferFromItsAddress) {
  const auto server = Serve(/*mutual=*/false);
  Security security{.tls = true, .roots = ca.pem(), .server_name = "localhost", .token = kToken};
  EXPECT_EQ(Ask(*server, security), absl::StatusCode::kOk);
  security.server_name = "somebody.else";
  EXPECT_EQ(Ask(*server, security), absl::StatusCode::kUnavailable);
}

TEST_F(SecurityTest, TheFlagsOfClassifyNameTheFiles) {
  const auto server = Serve(/*mutual=*/true);
  const CertificateAndKey own = ca.Issue();
  const Finished run = Classify(
      server->address(), {"--tls_ca=" + folder.Write("ca", ca.pem()),
                          "--tls_cert=" + folder.Write("crt", own.certificate),
                          "--tls_key=" + folder.Write("key", own.key),
                          "--token_file=" + folder.Write("token", std::string(kToken) + "\n")});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("tabby"));
}

TEST_F(SecurityTest, FlagsThatDontFitAreErrorsThatSayWhatWould) {
  const std::string token = "--token_file=" + folder.Write("token", kToken);
  EXPECT_THAT(Classify("127.0.0.1:1", {token}).err, HasSubstr("want --tls or --tls_ca"));
  EXPECT_THAT(Classify("127.0.0.1:1", {"--tls", "--tls_cert=x"}).err, HasSubstr("give both"));
  const Finished missing = Classify("127.0.0.1:1", {"--tls_ca=" + folder.path("none")});
  EXPECT_EQ(missing.exit_code, 2);
  EXPECT_THAT(missing.err, HasSubstr("none: can't open it: No such file"));
}

}  // namespace
}  // namespace patchserve
