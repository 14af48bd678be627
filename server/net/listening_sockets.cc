#include "server/net/listening_sockets.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/status.h"

namespace patchserve {
namespace {

// A peer that doesn't acknowledge what was sent for so long is gone. As gRPC's own.
constexpr int kUnacknowledgedMs = 20'000;

struct FreeAddresses {
  void operator()(addrinfo* list) const { freeaddrinfo(list); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

std::string Why(int error) {
  switch (error) {
    case EADDRNOTAVAIL:
      return "this machine has no such address";
    case EAFNOSUPPORT:
      return "this machine has no IPv6";
    case EACCES:
      return "ports below 1024 need the capability NET_BIND_SERVICE";
    default:
      return std::strerror(error);
  }
}

absl::StatusOr<Addresses> Resolve(const std::string& host, const std::string& port) {
  const addrinfo hints{
      .ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
  addrinfo* list = nullptr;
  if (const int error = getaddrinfo(host.c_str(), port.c_str(), &hints, &list); error != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("\"", host, "\" is no address: ", gai_strerror(error)));
  }
  return Addresses(list);
}

absl::Status NotBound(int error) {
  if (error == EADDRINUSE) return absl::AlreadyExistsError("the port is in use");
  return absl::FailedPreconditionError(Why(error));
}

void Switch(const FileDescriptor& socket, int level, int option, int value) {
  setsockopt(socket.get(), level, option, &value, sizeof value);
}

// What is set here, accepted connections inherit.
absl::StatusOr<FileDescriptor> Bind(const addrinfo& address, bool both_families) {
  FileDescriptor s(
      socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP));
  if (s.get() < 0) return NotBound(errno);
  Switch(s, SOL_SOCKET, SO_REUSEADDR, 1);  // a restart needn't wait for old connections
  if (address.ai_family == AF_INET6) Switch(s, IPPROTO_IPV6, IPV6_V6ONLY, both_families ? 0 : 1);
  Switch(s, IPPROTO_TCP, TCP_NODELAY, 1);
  Switch(s, IPPROTO_TCP, TCP_USER_TIMEOUT, kUnacknowledgedMs);
  if (bind(s.get(), address.ai_addr, address.ai_addrlen) != 0 || listen(s.get(), SOMAXCONN) != 0) {
    return NotBound(errno);
  }
  return s;
}

// Both families have it at the same place.
void SetPort(sockaddr& address, int port) {
  reinterpret_cast<sockaddr_in&>(address).sin_port = htons(static_cast<uint16_t>(port));
}

int PortOf(const FileDescriptor& socket) {
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  getsockname(socket.get(), reinterpret_cast<sockaddr*>(&name), &size);
  return ntohs(reinterpret_cast<sockaddr_in&>(name).sin_port);  // both families'
}

absl::StatusOr<ListeningSockets> BindAll(const std::string& host, const std::string& port,
                                         bool both_families) {
  ASSIGN_OR_RETURN(Addresses addresses, Resolve(host, port));
  ListeningSockets bound;
  absl::Status first_error;
  for (const addrinfo* address = addresses.get(); address != nullptr; address = address->ai_next) {
    // The first one's port, if any will do, is that of the others.
    if (bound.port != 0) SetPort(*address->ai_addr, bound.port);
    absl::StatusOr<FileDescriptor> socket = Bind(*address, both_families);
    if (!socket.ok()) {
      first_error.Update(socket.status());
      if (absl::IsAlreadyExists(first_error)) return first_error;
      continue;
    }
    bound.port = PortOf(*socket);
    bound.sockets.push_back(*std::move(socket));
  }
  if (bound.sockets.empty()) return first_error;
  return bound;
}

}  // namespace

absl::StatusOr<ListeningSockets> ListenOn(const std::string& address) {
  const size_t colon = address.rfind(':');
  std::string host = address.substr(0, colon);
  const std::string port = address.substr(colon + 1);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  if (host == "0.0.0.0" || host == "::") {
    absl::StatusOr<ListeningSockets> both = BindAll("::", port, /*both_families=*/true);
    // A machine without IPv6 is served by IPv4.
    if (both.ok() || host == "::") return both;
  }
  return BindAll(host, port, /*both_families=*/false);
}

}  // namespace patchserve
