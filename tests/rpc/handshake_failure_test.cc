#include "server/rpc/handshake_failure.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <mutex>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "grpc/support/log.h"
#include "server/rpc/credentials.h"
#include "server/rpc/health_service.h"
#include "tests/rpc/certificates.h"
#include "tests/temporary_folder.h"

namespace patchserve {
namespace {

// The reasons that gRPC's log gave since the test began.
class Reasons {
 public:
  static void Note(gpr_log_func_args* line) {
    const char* reason = HandshakeFailure(line->file, line->message);
    if (reason == nullptr) return;
    std::lock_guard lock(mutex);
    seen.insert(reason);
    grew.notify_all();
  }
  static void WaitFor(const std::string& reason) {
    std::unique_lock lock(mutex);
    EXPECT_TRUE(grew.wait_for(lock, std::chrono::seconds(30), [&] {
      return seen.contains(reason);
    })) << reason;
  }

  static inline std::mutex mutex;
  static inline std::condition_variable grew;
  static inline std::set<std::string> seen;  // guarded by mutex
};

TEST(HandshakeFailureTest, EachKindOfClientThatFailsIsToldApartByGrpcsLog) {
  const TemporaryFolder folder;
  const TestCa ca, other_ca;
  const CertificateAndKey own = ca.Issue(), foreign = other_ca.Issue();
  const auto credentials =
      MakeServerCredentials({.certificate = folder.Write("crt", own.certificate),
                             .key = folder.Write("key", own.key),
                             .client_ca = folder.Write("ca", ca.pem())});
  ASSERT_TRUE(credentials.ok());
  HealthService health;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", *credentials, &port);
  builder.RegisterService(&health);
  gpr_set_log_function(Reasons::Note);
  const auto server = builder.BuildAndStart();
  const auto call = [port](const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
    const auto channel = grpc::CreateChannel(absl::StrCat("127.0.0.1:", port), credentials);
    EXPECT_FALSE(channel->WaitForConnected(absl::ToChronoTime(absl::Now() + absl::Seconds(1))));
  };
  call(grpc::InsecureChannelCredentials());
  Reasons::WaitFor("not_tls");
  call(grpc::SslCredentials({ca.pem(), "", ""}));
  Reasons::WaitFor("no_certificate");
  call(grpc::SslCredentials({ca.pem(), foreign.key, foreign.certificate}));
  Reasons::WaitFor("bad_certificate");
  server->Shutdown();
  gpr_set_log_function(nullptr);
}

// As openssl s_client makes it. gRPC's own client closes the connection without an alert.
TEST(HandshakeFailureTest, AnAlertIsTheClientsRefusal) {
  EXPECT_STREQ(HandshakeFailure("./src/core/tsi/ssl_transport_security.cc",
                                "Handshake failed with fatal error SSL_ERROR_SSL: "
                                "error:0A000418:SSL routines::tlsv1 alert unknown ca."),
               "refused_by_client");
}

TEST(HandshakeFailureTest, OtherLinesAreNone) {
  EXPECT_EQ(HandshakeFailure("./src/core/tsi/ssl_transport_security.cc", "Invalid alpn"), nullptr);
  EXPECT_EQ(HandshakeFailure("server.cc", "Handshake failed"), nullptr);
  EXPECT_STREQ(HandshakeFailure("./src/core/tsi/ssl_transport_security.cc",
                                "Handshake failed with fatal error SSL_ERROR_SSL: "
                                "error:0A000102:SSL routines::unsupported protocol."),
               "other");
}

}  // namespace
}  // namespace patchserve
