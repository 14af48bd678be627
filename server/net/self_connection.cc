#include "server/net/self_connection.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cerrno>
#include <cstring>

#include "server/base/steady_clock.h"
#include "server/net/wait.h"

namespace patchserve {
namespace {

sockaddr* Generic(sockaddr_storage& address) { return reinterpret_cast<sockaddr*>(&address); }

// A socket that listens on every address, of both families if of IPv6 (ListenOn), is reached by
// IPv4's loopback one: where IPv6 is switched off there is no other.
void NameOneAddress(sockaddr_storage& address) {
  auto& v4 = reinterpret_cast<sockaddr_in&>(address);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(address);
  if (address.ss_family == AF_INET6) {
    if (IN6_IS_ADDR_UNSPECIFIED(&v6.sin6_addr)) {
      inet_pton(AF_INET6, "::ffff:127.0.0.1", &v6.sin6_addr);
    }
  } else if (v4.sin_addr.s_addr == htonl(INADDR_ANY)) {
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  }
}

}  // namespace

SelfConnection::SelfConnection(int listener) {
  socklen_t size = sizeof target_;
  getsockname(listener, Generic(target_), &size);
  NameOneAddress(target_);
  socket_ = FileDescriptor(
      socket(target_.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP));
  source_ = target_;
  reinterpret_cast<sockaddr_in&>(source_).sin_port = 0;  // any; both families'
  // A failure shows as a connection that fails.
  static_cast<void>(bind(socket_.get(), Generic(source_), size));
  size = sizeof source_;
  getsockname(socket_.get(), Generic(source_), &size);
}

bool SelfConnection::IsFrom(const sockaddr_storage& peer) const {
  if (peer.ss_family != source_.ss_family) return false;
  if (peer.ss_family == AF_INET6) {
    const auto& a = reinterpret_cast<const sockaddr_in6&>(peer);
    const auto& b = reinterpret_cast<const sockaddr_in6&>(source_);
    return a.sin6_port == b.sin6_port && IN6_ARE_ADDR_EQUAL(&a.sin6_addr, &b.sin6_addr);
  }
  const auto& a = reinterpret_cast<const sockaddr_in&>(peer);
  const auto& b = reinterpret_cast<const sockaddr_in&>(source_);
  return a.sin_port == b.sin_port && a.sin_addr.s_addr == b.sin_addr.s_addr;
}

bool SelfConnection::Answered(const std::string& greeting, absl::Duration timeout) const {
  const absl::Time until = SteadyNow() + timeout;
  sockaddr_storage target = target_;
  const int fd = socket_.get();
  if (connect(fd, Generic(target), sizeof target) != 0 &&
      (errno != EINPROGRESS || !WaitFor(fd, POLLOUT, until))) {
    return false;
  }
  if (send(fd, greeting.data(), greeting.size(), MSG_NOSIGNAL) < 0 || !WaitFor(fd, POLLIN, until)) {
    return false;
  }
  char byte;
  return recv(fd, &byte, 1, 0) >= 0 || errno == ECONNRESET;  // closed by who took it
}

}  // namespace patchserve
