// Binds a port.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/net/file_descriptor.h"

namespace patchserve {

struct ListeningSockets {
  std::vector<FileDescriptor> sockets;  // one for each address of the host; non-blocking
  int port = 0;
};

// `address` is "HOST:PORT": a name, an IPv4 address or an IPv6 address in brackets; port 0: any
// that is free. The wildcards 0.0.0.0 and [::] mean every address of both families, as in gRPC.
// Addresses of a name that the machine doesn't have are passed over, unless all are such.
// Errors: ALREADY_EXISTS: the port is in use. FAILED_PRECONDITION, which says why: the machine has
// no such address, the name has none, or the process may not use the port.
absl::StatusOr<ListeningSockets> ListenOn(const std::string& address);

}  // namespace patchserve
