#include "server/net/greeting.h"

#include <openssl/ssl.h>

#include <memory>

namespace patchserve {

std::string Http2Greeting() {
  // RFC 9113, 3.4: the preface, and a SETTINGS frame that sets nothing.
  return std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") + std::string("\0\0\0\x04\0\0\0\0\0", 9);
}

std::string TlsGreeting() {
  const std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context(SSL_CTX_new(TLS_client_method()),
                                                             SSL_CTX_free);
  const std::unique_ptr<SSL, void (*)(SSL*)> client(SSL_new(context.get()), SSL_free);
  BIO* sent = BIO_new(BIO_s_mem());
  SSL_set_bio(client.get(), BIO_new(BIO_s_mem()), sent);  // which owns them
  constexpr unsigned char kHttp2[] = {2, 'h', '2'};
  SSL_set_alpn_protos(client.get(), kHttp2, sizeof kHttp2);
  SSL_connect(client.get());  // as far as it gets without an answer
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(sent, &bytes);
  return std::string(bytes, size);
}

}  // namespace patchserve
