// Who may be connected: plain code, asked by the thread that accepts.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace patchserve {

struct Connection {
  int fd = -1;
  uint64_t socket = 0;  // tells it from a later one of the same number
  uint64_t peer = 0;    // an IPv4 address, or an IPv6 network of 64 bits
  std::string name;     // of the peer's end: its address and port, as gRPC writes them
};

// What the kernel knows of connections that somebody else reads, writes and closes.
class Connections {
 public:
  struct Silence {
    absl::Duration lasts;     // since either side sent anything
    bool from_start = false;  // the peer never has
  };

  virtual ~Connections() = default;
  virtual bool IsOpen(const Connection& connection) const = 0;
  virtual Silence SilenceOf(const Connection& connection) const = 0;
  // Ends it for both sides, so that its owner closes it.
  virtual void End(const Connection& connection) = 0;
  // The same, and drops what was received and what is still to be sent.
  virtual void Reset(const Connection& connection) = 0;
};

struct PortLimits {
  int total = 0;     // >= 1
  int per_peer = 0;  // >= 1
};

enum class Verdict { kAdmitted, kFull, kPeerFull };

// The connections that are open. Where there is no room for a new one, those are ended that have
// been silent for longest, by the sixteenth of the limit at a time: after a second if the peer
// never sent anything, as port scanners and TCP health checks don't, else after half a minute; a
// client whose connection is ended while no call is open connects anew. Not thread-safe.
class ConnectionTable {
 public:
  // `connections` must outlive this.
  ConnectionTable(const PortLimits& limits, Connections& connections)
      : limits_(limits), connections_(connections) {}

  // Counts it if there is room.
  Verdict Admit(const Connection& connection, absl::Time now);
  // Those that are open, and what it costs to see that: a system call each.
  int CountOpen();
  // Resets those of this name that are open: a client may have one from the same port of its own to
  // each address of the machine.
  void Reset(const std::string& name);
  // Ends all that are open.
  void EndAll();
  int64_t ended() const { return ended_; }

 private:
  Verdict Room(uint64_t peer) const;
  void Forget(int fd);
  void ForgetClosed();
  void EndSilent(const uint64_t* peer);

  const PortLimits limits_;
  Connections& connections_;
  std::map<int, Connection> open_;  // by fd
  std::map<uint64_t, int> by_peer_;
  // When to look for room again after finding none: a flood mustn't cost a look a connection.
  absl::Time next_look_ = absl::InfinitePast();
  int64_t ended_ = 0;
};

}  // namespace patchserve
