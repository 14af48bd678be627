#include "server/rpc/credentials.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/rpc/health_service.h"
#include "tests/rpc/certificates.h"
#include "tests/temporary_folder.h"

namespace patchserve {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kToken[] = "a-token-of-twenty-letters";

// A server of health with credentials from files, and clients of every kind.
class CredentialsTest : public ::testing::Test {
 protected:
  void Write(const CertificateAndKey& pair) {
    files.certificate = folder.Write("tls.crt", pair.certificate);
    files.key = folder.Write("tls.key", pair.key);
  }

  void Start() {
    const auto credentials = MakeServerCredentials(files);
    ASSERT_TRUE(credentials.ok()) << credentials.status();
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", *credentials, &port);
    builder.RegisterService(&health);
    health.Set("", true);
    server = builder.BuildAndStart();
    ASSERT_NE(server, nullptr);
  }

  // One call over a connection of its own.
  grpc::StatusCode Call(const std::shared_ptr<grpc::ChannelCredentials>& credentials,
                        const std::string& token = "") {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    const auto stub = grpc::health::v1::Health::NewStub(
        grpc::CreateCustomChannel(absl::StrCat("127.0.0.1:", port), credentials, arguments));
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(30)));
    if (!token.empty()) context.AddMetadata("authorization", token);
    grpc::health::v1::HealthCheckResponse response;
    return stub->Check(&context, {}, &response).error_code();
  }

  static std::shared_ptr<grpc::ChannelCredentials> Trusting(const std::string& roots,
                                                            const CertificateAndKey& own = {}) {
    return grpc::SslCredentials({roots, own.key, own.certificate});
  }

  std::shared_ptr<TokenFile> Tokens(const std::string& text) {
    return TokenFile::Open(folder.Write("tokens", text)).value_or(nullptr);
  }

  std::string Error() { return std::string(MakeServerCredentials(files).status().message()); }

  TemporaryFolder folder;
  TestCa ca, other_ca;
  Credentials files;
  HealthService health;
  std::unique_ptr<grpc::Server> server;
  int port = 0;
};

TEST_F(CredentialsTest, AClientThatTrustsTheServersCaIsServed) {
  Write(ca.Issue());
  Start();
  EXPECT_EQ(Call(Trusting(ca.pem())), grpc::StatusCode::OK);
}

TEST_F(CredentialsTest, AClientThatTrustsAnotherCaFindsNoServer) {
  Write(ca.Issue());
  Start();
  EXPECT_EQ(Call(Trusting(other_ca.pem())), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(CredentialsTest, AnExpiredServerCertificateIsRefusedByTheClient) {
  Write(ca.Issue(-absl::Minutes(1)));
  Start();
  EXPECT_EQ(Call(Trusting(ca.pem())), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(CredentialsTest, PlaintextToTheTlsPortIsUnavailable) {
  Write(ca.Issue());
  Start();
  EXPECT_EQ(Call(grpc::InsecureChannelCredentials()), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(CredentialsTest, WithAClientCaOnlyItsValidCertificatesAreServed) {
  Write(ca.Issue());
  files.client_ca = folder.Write("ca.crt", ca.pem());
  Start();
  EXPECT_EQ(Call(Trusting(ca.pem(), ca.Issue())), grpc::StatusCode::OK);
  EXPECT_EQ(Call(Trusting(ca.pem())), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(Call(Trusting(ca.pem(), other_ca.Issue())), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(Call(Trusting(ca.pem(), ca.Issue(-absl::Minutes(1)))), grpc::StatusCode::UNAVAILABLE);
}

// Callers who trust both the old and the new issuer notice nothing.
TEST_F(CredentialsTest, ACertificateIsRotatedUnderLoadWithoutAFailedCall) {
  Write(ca.Issue());
  Start();
  std::atomic<bool> rotated = false;
  std::atomic<int> failed = 0;
  std::vector<std::thread> callers;
  for (int i = 0; i < 2; ++i) {
    callers.emplace_back([&] {
      while (!rotated) {
        failed += Call(Trusting(ca.pem() + other_ca.pem())) != grpc::StatusCode::OK;
      }
    });
  }
  // As a Secret's mount does it: both files are new at once.
  const CertificateAndKey renewed = other_ca.Issue();
  folder.Write("new.key", renewed.key);
  folder.Write("new.crt", renewed.certificate);
  std::filesystem::rename(folder.path("new.key"), files.key);
  std::filesystem::rename(folder.path("new.crt"), files.certificate);
  const absl::Time until = absl::Now() + absl::Minutes(1);
  while (!rotated && absl::Now() < until) {
    rotated = Call(Trusting(other_ca.pem())) == grpc::StatusCode::OK;
  }
  EXPECT_TRUE(rotated);
  rotated = true;
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(failed, 0);
}

TEST_F(CredentialsTest, ACallWithoutOneOfTheTokensIsUnauthenticated) {
  Write(ca.Issue());
  std::vector<std::string> refused;
  files.tokens = Tokens(absl::StrCat("# shop\n", kToken, "\n"));
  files.refused = [&refused](const std::string& reason) { refused.push_back(reason); };
  Start();
  for (const char* scheme : {"Bearer ", "bearer ", "BEARER  ", " Bearer "}) {
    EXPECT_EQ(Call(Trusting(ca.pem()), absl::StrCat(scheme, kToken)), grpc::StatusCode::OK);
  }
  EXPECT_EQ(Call(Trusting(ca.pem()), absl::StrCat("Bearer", kToken)),
            grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(Call(Trusting(ca.pem())), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(Call(Trusting(ca.pem()), "Bearer of-somebody-else"), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(Call(Trusting(ca.pem()), kToken), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_THAT(refused, ElementsAre("unknown_token", "no_token", "unknown_token", "unknown_token"));
}

TEST_F(CredentialsTest, ATokenIsCalledByTheWordBeforeItOrByItsDigest) {
  const auto tokens = Tokens("shop-7 shops-token-of-25-letters\r\n a-token-of-twenty-letters \n");
  EXPECT_EQ(tokens->NameOf("Bearer shops-token-of-25-letters"), "shop-7");
  // sha256sum's first digits.
  EXPECT_EQ(tokens->NameOf(absl::StrCat("Bearer ", kToken)), "33b4d21c");
  EXPECT_EQ(tokens->NameOf("Bearer shop-7"), std::nullopt);
  EXPECT_EQ(tokens->NameOf(kToken), std::nullopt);
}

TEST_F(CredentialsTest, TheEndOfACertificateIsKnown) {
  Write(ca.Issue(absl::Hours(48)));
  const auto now = CheckTlsFiles(files);
  ASSERT_TRUE(now.ok()) << now.status();
  EXPECT_LE(now->end, absl::Now() + absl::Hours(48));
  EXPECT_GT(now->end, absl::Now() + absl::Hours(47));
}

TEST_F(CredentialsTest, FilesAreTheSameUntilOneOfThemChangesWhateverTheCertificatesEnd) {
  const CertificateAndKey own = ca.Issue(), renewed = ca.Issue();
  files.client_ca = folder.Write("ca.crt", ca.pem());
  const auto digest = [this](const CertificateAndKey& pair) {
    Write(pair);
    return CheckTlsFiles(files).value_or(TlsFiles()).digest;
  };
  const std::string first = digest(own);
  EXPECT_NE(first, "");
  EXPECT_EQ(digest(own), first);
  EXPECT_NE(digest(renewed), first);
  EXPECT_NE(digest({own.certificate + ca.pem(), own.key}), first);  // its chain
  folder.Write("ca.crt", other_ca.pem());
  EXPECT_NE(digest(own), first);
}

TEST_F(CredentialsTest, ATokenThatIsTakenOutOfTheFileEndsToPass) {
  Write(ca.Issue());
  files.tokens = Tokens(kToken);
  Start();
  folder.Write("tokens", "another-token-of-the-file");
  const absl::Time until = absl::Now() + absl::Minutes(1);
  grpc::StatusCode code = grpc::StatusCode::OK;
  while (code == grpc::StatusCode::OK && absl::Now() < until) {
    code = Call(Trusting(ca.pem()), absl::StrCat("Bearer ", kToken));
  }
  EXPECT_EQ(code, grpc::StatusCode::UNAUTHENTICATED);
}

TEST_F(CredentialsTest, FilesThatDontFitAreErrorsThatNameThem) {
  files.key = folder.Write("tls.key", ca.Issue().key);
  EXPECT_THAT(Error(), HasSubstr("give both"));
  files.certificate = folder.Write("tls.crt", ca.Issue().certificate);
  EXPECT_THAT(Error(), HasSubstr("tls.key is not the key of"));
  folder.Write("tls.crt", "no certificate");
  EXPECT_THAT(Error(), HasSubstr("tls.crt holds no certificate"));
  files.certificate = folder.path("missing");
  EXPECT_THAT(Error(), HasSubstr("missing: no such file"));
}

TEST_F(CredentialsTest, TokensWithoutTlsAndTokensThatCanBeGuessedAreErrors) {
  files.tokens = Tokens(kToken);
  EXPECT_THAT(Error(), HasSubstr("travel in the open"));
  const auto error = [](const char* text) {
    return std::string(ParseTokens(text).status().message());
  };
  EXPECT_THAT(error("shop short"), HasSubstr("a token has 5 characters"));
  EXPECT_THAT(error("the shop a-token-of-twenty-letters"), HasSubstr("3 words"));
  EXPECT_THAT(error("# none yet\n"), HasSubstr("has none"));
}

}  // namespace
}  // namespace patchserve
