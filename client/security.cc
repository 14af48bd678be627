#include "client/security.h"

namespace patchserve {

std::shared_ptr<grpc::ChannelCredentials> MakeChannelCredentials(const Security& security) {
  if (!security.tls) return grpc::InsecureChannelCredentials();
  auto tls = grpc::SslCredentials({.pem_root_certs = security.roots,
                                   .pem_private_key = security.key,
                                   .pem_cert_chain = security.certificate});
  if (security.token.empty()) return tls;
  return grpc::CompositeChannelCredentials(tls, grpc::AccessTokenCredentials(security.token));
}

}  // namespace patchserve
