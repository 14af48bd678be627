// TCP connections by their file descriptors.
#pragma once

#include <sys/socket.h>

#include <cstdint>

#include "server/net/connection_table.h"

namespace patchserve {

// The connection of `fd` from `peer`.
Connection Identify(int fd, const sockaddr_storage& peer);

// Thread-safe. A descriptor may be closed, and its number used again, by another thread at any
// time.
class TcpConnections final : public Connections {
 public:
  bool IsOpen(const Connection& connection) const override;
  Silence SilenceOf(const Connection& connection) const override;
  void End(const Connection& connection) override;
  void Reset(const Connection& connection) override;
};

}  // namespace patchserve
