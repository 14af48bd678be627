#include "server/rpc/credentials.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <ctime>
#include <utility>

#include "absl/strings/str_cat.h"
#include "grpcpp/security/tls_certificate_provider.h"
#include "grpcpp/security/tls_credentials_options.h"
#include "server/base/read_file.h"
#include "server/base/status.h"
#include "server/rpc/sha256.h"

namespace patchserve {
namespace {

using grpc::experimental::FileWatcherCertificateProvider;
using grpc::experimental::TlsServerCredentialsOptions;

constexpr unsigned kRereadSeconds = 1;

template <typename T, void (*Free)(T*)>
struct Freer {
  void operator()(T* object) const { Free(object); }
};
using Bio = std::unique_ptr<BIO, Freer<BIO, BIO_free_all>>;
using X509Pointer = std::unique_ptr<X509, Freer<X509, X509_free>>;
using KeyPointer = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY, EVP_PKEY_free>>;

Bio OpenPem(const std::string& pem) {
  return Bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

absl::StatusOr<X509Pointer> ParseCertificate(const std::string& path, const std::string& pem) {
  X509Pointer certificate(PEM_read_bio_X509(OpenPem(pem).get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  if (certificate == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(path, " holds no certificate in PEM format"));
  }
  return certificate;
}

// An encrypted key isn't read: nobody is there to type its password.
absl::StatusOr<KeyPointer> ParseKey(const std::string& path, const std::string& pem) {
  auto no_password = [](char*, int, int, void*) { return -1; };
  KeyPointer key(PEM_read_bio_PrivateKey(OpenPem(pem).get(), nullptr, no_password, nullptr));
  ERR_clear_error();
  if (key == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " holds no private key in PEM format without a password"));
  }
  return key;
}

std::shared_ptr<grpc::ServerCredentials> MakeTls(const Credentials& files) {
  auto provider = std::make_shared<FileWatcherCertificateProvider>(files.key, files.certificate,
                                                                   files.client_ca, kRereadSeconds);
  TlsServerCredentialsOptions options(std::move(provider));
  options.watch_identity_key_cert_pairs();
  if (!files.client_ca.empty()) {
    options.watch_root_certs();
    options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  }
  return grpc::experimental::TlsServerCredentials(options);
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(
    const Credentials& files) {
  if (files.certificate.empty() != files.key.empty()) {
    return absl::InvalidArgumentError("a certificate and its key belong together: give both");
  }
  if (files.certificate.empty()) {
    if (!files.client_ca.empty()) {
      return absl::InvalidArgumentError("a client CA needs a server certificate");
    }
    if (files.tokens != nullptr) {
      return absl::InvalidArgumentError(
          "tokens need a server certificate: they would travel in the open");
    }
    return grpc::InsecureServerCredentials();
  }
  // gRPC itself would start with any files, and fail at each connection.
  RETURN_IF_ERROR(CheckTlsFiles(files).status());
  std::shared_ptr<grpc::ServerCredentials> credentials = MakeTls(files);
  if (files.tokens != nullptr) {
    credentials->SetAuthMetadataProcessor(CheckTokens(files.tokens, files.refused));
  }
  return credentials;
}

absl::StatusOr<TlsFiles> CheckTlsFiles(const Credentials& files) {
  ASSIGN_OR_RETURN(const std::string certificate_pem, ReadWholeFile(files.certificate));
  ASSIGN_OR_RETURN(const X509Pointer certificate,
                   ParseCertificate(files.certificate, certificate_pem));
  ASSIGN_OR_RETURN(const std::string key_pem, ReadWholeFile(files.key));
  ASSIGN_OR_RETURN(const KeyPointer key, ParseKey(files.key, key_pem));
  const bool fits = X509_check_private_key(certificate.get(), key.get()) == 1;
  ERR_clear_error();
  if (!fits) {
    return absl::InvalidArgumentError(
        absl::StrCat(files.key, " is not the key of ", files.certificate));
  }
  std::string client_ca_pem;
  if (!files.client_ca.empty()) {
    ASSIGN_OR_RETURN(client_ca_pem, ReadWholeFile(files.client_ca));
    RETURN_IF_ERROR(ParseCertificate(files.client_ca, client_ca_pem).status());
  }
  std::tm end{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate.get()), &end) != 1) {
    return absl::InvalidArgumentError(absl::StrCat(files.certificate, " doesn't say when it ends"));
  }
  return TlsFiles{.digest = Sha256(absl::StrCat(certificate_pem, key_pem, client_ca_pem)),
                  .end = absl::FromTM(end, absl::UTCTimeZone())};
}

}  // namespace patchserve
