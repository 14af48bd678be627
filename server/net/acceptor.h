// The accept loop: gRPC 1.51's own one stops for good when the process has no file descriptor left.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/time/time.h"
#include "server/base/mutex.h"
#include "server/net/connection_table.h"
#include "server/net/file_descriptor.h"
#include "server/net/listening_sockets.h"
#include "server/net/self_connection.h"
#include "server/net/tcp_connections.h"

namespace patchserve {

// Since the start, but for `open`.
struct ConnectionCounts {
  int open = 0;
  int64_t accepted = 0;
  int64_t refused_full = 0;   // closed at once: `total` were open
  int64_t refused_peer = 0;   // closed at once: `per_peer` of its peer's were
  int64_t ended_silent = 0;   // closed to make room
  int64_t accept_errors = 0;  // such as no descriptor left; then it is tried again
  // Of gRPC's ports, what its calls did (rpc/call_watch.h).
  int64_t ended_calls = 0, ended_memory = 0, ended_resets = 0;
  int64_t resets = 0;
};

// Thread-safe.
class Acceptor {
 public:
  // Takes a connection over, and closes it. `peer`: as gRPC calls it.
  using TakeFunction = std::function<void(int fd, const std::string& peer)>;

  // `take` gets each connection that is let in, non-blocking, on this one's thread.
  Acceptor(ListeningSockets sockets, const PortLimits& limits, TakeFunction take);
  ~Acceptor() { Stop(); }

  // Closes the port; those that are connected stay so.
  void Stop();

  // Closes the port and ends the connections, for both sides: what was sent arrives, and nothing
  // more is taken.
  void EndAll();

  // Ends the connection from the peer that gRPC calls so, if it is open, for both sides: what was
  // received is dropped.
  void Reset(const std::string& peer);

  // Looks at each connection: for a scrape.
  ConnectionCounts counts();

  // Whether who connects to the port and sends `greeting` is answered, or the connection closed, in
  // time: it is let in whatever the limits, and not counted. One call at a time.
  bool Answers(const std::string& greeting, absl::Duration timeout);

 private:
  void Run();
  void AcceptOne(int listener);
  void Decide(FileDescriptor accepted, const sockaddr_storage& peer);

  ListeningSockets sockets_;  // used by the thread; closed after it
  const TakeFunction take_;
  const FileDescriptor stop_;  // an eventfd
  Mutex mutex_;
  TcpConnections connections_;
  ConnectionTable table_ ABSL_GUARDED_BY(mutex_);
  ConnectionCounts counts_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const SelfConnection> own_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace patchserve
