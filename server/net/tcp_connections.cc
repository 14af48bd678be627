#include "server/net/tcp_connections.h"

#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>

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

}  // namespace

Connection Identify(int fd, const sockaddr_storage& peer) {
  const uint64_t key =
      peer.ss_family == AF_INET6
          ? IPv6(reinterpret_cast<const sockaddr_in6&>(peer).sin6_addr)
          : IPv4(ntohl(reinterpret_cast<const sockaddr_in&>(peer).sin_addr.s_addr));
  return {.fd = fd, .socket = SocketOf(fd), .peer = key};
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
  // Whatever becomes of the number meanwhile, the copy stays what it is now.
  const FileDescriptor copy(fcntl(connection.fd, F_DUPFD_CLOEXEC, 0));
  if (SocketOf(copy.get()) == connection.socket) shutdown(copy.get(), SHUT_RDWR);
}

}  // namespace patchserve
