// How a client and its server know each other.
#pragma once

#include <grpcpp/security/credentials.h>

#include <memory>
#include <string>

namespace patchserve {

// All certificates and keys are PEM texts, not paths.
struct Security {
  // Without it everything is sent in plaintext, and the rest must be empty.
  bool tls = false;
  // Who may have signed the server's certificate; empty: those that the system trusts.
  std::string roots;
  // The client's own, for servers that want one (mutual TLS).
  std::string certificate, key;
  // The name that the server's certificate must have; empty: that of its address.
  std::string server_name;
  // Sent with every call as "authorization: Bearer TOKEN".
  std::string token;
};

// Not for server_name, which is an argument of the channel. Null if gRPC can't use the
// texts.
std::shared_ptr<grpc::ChannelCredentials> MakeChannelCredentials(const Security& security);

}  // namespace patchserve
