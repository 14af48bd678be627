// A connection of the process to its own port.
#pragma once

#include <sys/socket.h>

#include <string>

#include "absl/time/time.h"
#include "server/net/file_descriptor.h"

namespace patchserve {

class SelfConnection {
 public:
  // Takes a local address from which `listener` can be reached; connects to nothing yet.
  explicit SelfConnection(int listener);

  bool IsFrom(const sockaddr_storage& peer) const;
  // Connects, sends `greeting`, and waits for a byte or the connection's end; false if neither
  // came in time, or there was no descriptor left.
  bool Answered(const std::string& greeting, absl::Duration timeout) const;

 private:
  FileDescriptor socket_;
  sockaddr_storage target_{};
  sockaddr_storage source_{};
};

}  // namespace patchserve
