#include "server/net/tcp_connections.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/net/file_descriptor.h"

namespace patchserve {
namespace {

// A socket's inode, 0 if `fd` isn't open.
uint64_t SocketOf(int fd) {
  struct stat status {};
  return fstat(fd, &status) == 0 ? status.st_ino : 0;
}

uint64_t IPv4(uint32_t address) { return uint64_t{0xffff} << 32 | address; }

// One network of 64 bits is as easily had as one IPv4 address.
uint64_t IPv6(const in6_addr& address) {
  uint32_t words[4];
  std::memcpy(words, &address, sizeof words);
  if (IN6_IS_ADDR_V4MAPPED(&address)) return IPv4(ntohl(words[3]));
  return uint64_t{ntohl(words[0])} << 32 | ntohl(words[1]);
}

std::string NameOf(const in_addr& address, in_port_t port) {
  char text[INET_ADDRSTRLEN];
  return absl::StrCat("ipv4:", inet_ntop(AF_INET, &address, text, sizeof text), ":", ntohs(port));
}

// As gRPC's context.peer().
std::string NameOf(const sockaddr_storage& peer) {
  if (peer.ss_family != AF_INET6) {
    const auto& ipv4 = reinterpret_cast<const sockaddr_in&>(peer);
    return NameOf(ipv4.sin_addr, ipv4.sin_port);
  }
  const auto& ipv6 = reinterpret_cast<const sockaddr_in6&>(peer);
  if (IN6_IS_ADDR_V4MAPPED(&ipv6.sin6_addr)) {
    in_addr mapped;
    std::memcpy(&mapped, ipv6.sin6_addr.s6_addr + 12, sizeof mapped);
    return NameOf(mapped, ipv6.sin6_port);
  }
  char text[INET6_ADDRSTRLEN];
  inet_ntop(AF_INET6, &ipv6.sin6_addr, text, sizeof text);
  // A link-local address is one only together with its interface.
  const uint32_t scope = ipv6.sin6_scope_id;
  return absl::StrCat("ipv6:%5B", text, scope == 0 ? "" : absl::StrCat("%25", scope),
                      "%5D:", ntohs(ipv6.sin6_port));
}

// Whatever becomes of the number meanwhile, the copy stays what it is now. None if it is another's.
FileDescriptor CopyOf(const Connection& connection) {
  FileDescriptor copy(fcntl(connection.fd, F_DUPFD_CLOEXEC, 0));
  return SocketOf(copy.get()) == connection.socket ? std::move(copy) : FileDescriptor();
}

}  // namespace

Connection Identify(int fd, const sockaddr_storage& peer) {
  const uint64_t key =
      peer.ss_family == AF_INET6
          ? IPv6(reinterpret_cast<const sockaddr_in6&>(peer).sin6_addr)
          : IPv4(ntohl(reinterpret_cast<const sockaddr_in&>(peer).sin_addr.s_addr));
  return {.fd = fd, .socket = SocketOf(fd), .peer = key, .name = NameOf(peer)};
}

bool TcpConnections::IsOpen(const Connection& connection) const {
  return SocketOf(connection.fd) == connection.socket;
}

Connections::Silence TcpConnections::SilenceOf(const Connection& connection) const {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (getsockopt(connection.fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return {};
  const uint32_t last = std::min(info.tcpi_last_data_recv, info.tcpi_last_data_sent);
  return {.lasts = absl::Milliseconds(last), .from_start = info.tcpi_bytes_received == 0};
}

void TcpConnections::End(const Connection& connection) {
  const FileDescriptor copy = CopyOf(connection);
  if (copy.get() >= 0) shutdown(copy.get(), SHUT_RDWR);
}

void TcpConnections::Reset(const Connection& connection) {
  const FileDescriptor copy = CopyOf(connection);
  const sockaddr nobody{.sa_family = AF_UNSPEC};
  if (copy.get() >= 0) static_cast<void>(!connect(copy.get(), &nobody, sizeof nobody));
}

}  // namespace patchserve
