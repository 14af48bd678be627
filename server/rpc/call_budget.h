// What the calls of each connection cost, and which connection has to go: plain code.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/time/time.h"

namespace patchserve {

struct CallLimits {
  int per_connection = 0;  // open calls
  int64_t bytes = 0;       // that all open calls take, with their answers that aren't sent
};

// Why a connection is ended.
enum class Misuse { kCalls, kMemory, kResets };

struct EndConnection {
  std::string peer;
  Misuse why;
};

// gRPC 1.51 counts only those calls against its limit of streams that weren't reset, and none of a
// client that doesn't acknowledge the limit (CVE-2023-44487). This counts all that a handler has
// heard of until they are gone, and says which connection is to be ended:
// - the one with more open calls than its limit,
// - the one whose calls cost most, when all of them cost more than theirs,
// - the one that resets most of its calls at once (`kResets`).
// Not thread-safe.
class CallBudget {
  struct Connection;

 public:
  // Bytes that a call takes (gRPC 1.51, measured 2026-11-28).
  static constexpr int64_t kCallBytes = 20'000;
  // A reset adds one to a connection's count, any other end of a call takes off two; the count is
  // never negative. So a client that sends each request to two servers and resets the slower call
  // stays below this.
  static constexpr int kResets = 1000;

  struct Call {
    std::shared_ptr<Connection> connection;
    int64_t unsent = 0;  // bytes
  };

  explicit CallBudget(const CallLimits& limits) : limits_(limits) {}

  // A connection of this name is made: calls left over from an ended one of this name
  // don't count against it.
  void Connected(const std::string& peer);
  // `peer` names the connection. Each call is to be closed.
  std::optional<EndConnection> Open(const std::string& peer, absl::Time now, Call& call);
  // An answer of so many bytes waits to be sent.
  std::optional<EndConnection> Answer(Call& call, int64_t bytes);
  void Sent(Call& call);
  // `reset`: by the client, at once and before its deadline.
  std::optional<EndConnection> Close(Call& call, bool reset, absl::Time now);

  int64_t bytes() const { return bytes_; }
  size_t connections() const { return connections_.size(); }

 private:
  std::optional<EndConnection> End(Connection& connection, Misuse why);
  std::optional<EndConnection> CheckMemory();
  void Charge(Call& call, int64_t bytes);
  void ForgetIdle(absl::Time now);

  const CallLimits limits_;
  std::map<std::string, std::shared_ptr<Connection>> connections_;
  int64_t bytes_ = 0;  // without those of connections that were ended
  size_t forget_at_ = 1024;
};

}  // namespace patchserve
