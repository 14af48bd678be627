// Certificates made on the spot.
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

#include "absl/time/time.h"

namespace patchserve {

// In PEM format.
struct CertificateAndKey {
  std::string certificate, key;
};

// A certificate authority that signs for 127.0.0.1 and "localhost".
class TestCa {
 public:
  TestCa();

  const std::string& pem() const { return pem_; }
  // Valid from an hour ago until `lifetime` from now.
  CertificateAndKey Issue(absl::Duration lifetime = absl::Hours(1)) const;

 private:
  std::shared_ptr<EVP_PKEY> key_;
  std::shared_ptr<X509> certificate_;
  std::string pem_;
};

}  // namespace patchserve
